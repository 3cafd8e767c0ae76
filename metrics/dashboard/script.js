"use strict";
(() => {
  const $ = id => document.getElementById(id);
  const phases = ["expand", "backfill", "proof", "contract"];
  const ends = ["done", "undone", "stopped"];
  const silence = 25000;  // ms; weir says something every 10 s
  const samplesKept = 900;
  const runsAtMost = 50;
  let run = null, picture = {}, progress = {}, samples = [];
  let history = [];
  let source = null, heard = 0, down = 0, rest = 1000, copied = 0;

  // ---- words and figures
  const text = (node, words) => { if (node.textContent !== words) node.textContent = words; };
  const el = (name, words, kind) => {
    const node = document.createElement(name);
    if (words !== undefined) node.textContent = words;
    if (kind) node.className = kind;
    return node;
  };
  // A list is made anew only when it says something else: a reader or a selection inside it stays where it is.
  const list = (node, items, make) => {
    const key = JSON.stringify(items);
    if (node.dataset.key === key) return;
    node.dataset.key = key;
    node.replaceChildren(...items.map(make));
  };
  const two = n => String(n).padStart(2, "0");
  const clock = ms => { const d = new Date(ms); return `${two(d.getHours())}:${two(d.getMinutes())}:${two(d.getSeconds())}`; };
  const day = ms => { const d = new Date(ms), now = new Date();
    return d.toDateString() === now.toDateString() ? clock(ms) : `${d.getFullYear()}-${two(d.getMonth() + 1)}-${two(d.getDate())} ${clock(ms)}`; };
  const count = n => Math.round(n).toString().replace(/\B(?=(\d{3})+$)/g, "\u202f");
  const short = n => {
    for (const [size, unit] of [[1e9, "G"], [1e6, "M"], [1e3, "k"]])
      if (n >= size * 0.9995) return (n / size).toFixed(n / size < 99.95 ? 1 : 0) + "\u202f" + unit;
    return n.toFixed(n > 0 && n < 10 ? 1 : 0);
  };
  const time = s => {
    if (s < 1) return `${Math.round(s * 1000)} ms`;
    if (s < 60) return `${s < 10 ? s.toFixed(1) : Math.round(s)} s`;
    if (s < 3600) return `${Math.floor(s / 60)} min ${Math.floor(s % 60)} s`;
    if (s < 172800) return `${Math.floor(s / 3600)} h ${Math.floor(s / 60 % 60)} min`;
    return `${Math.floor(s / 86400)} d ${Math.floor(s / 3600 % 24)} h`;
  };
  const bytes = n => {
    for (const [size, unit] of [[1024 ** 3, "GB"], [1024 ** 2, "MB"], [1024, "kB"]]) if (n >= size) return `${(n / size).toFixed(1)} ${unit}`;
    return `${Math.round(n)} B`;
  };
  const figure = (n, unit) => unit === "s" ? time(n) : unit === "B" ? bytes(n) : unit === "B/s" ? bytes(n) + "/s"
    : n >= 1e5 ? short(n) : Number.isInteger(n) ? count(n) : n.toFixed(2);
  const plain = ["", "s", "B", "B/s"];
  const percent = n => `${Math.round(n * 100)} %`;
  const left = work => {
    if (work.eta_s === undefined) return "–";
    const low = work.eta_low_s, high = work.eta_high_s;
    if (low === undefined || high === undefined || high - low < 0.1 * high) return time(work.eta_s);
    const unit = [[120, 1, "s"], [7200, 60, "min"], [172800, 3600, "h"], [Infinity, 86400, "d"]].find(u => high < u[0]);
    const from = Math.round(low / unit[1]), to = Math.round(high / unit[1]);
    return from === to ? time(work.eta_s) : `${from} to ${to} ${unit[2]}`;
  };

  // ---- the state in words
  const closed = reason => reason.startsWith("outside the window") || reason.startsWith("before the time of");
  function state() {
    const p = picture, reasons = p.reasons || [], doing = p.title || p.phase || "";
    if (p.state === "done") return { kind: "good", head: "Done", why: p.began_ms ? `The plan is done since ${day(p.ended_ms)}, ${time((p.ended_ms - p.began_ms) / 1000)} after weir took it up.` : "" };
    if (p.state === "undone") return { kind: "good", head: "Undone", why: "Everything that the run made is taken back." };
    if (p.state === "stopped") return { kind: "bad", head: "Stopped", why: (p.stopped || {}).message || "", todo: (p.stopped || {}).hint || "run the same command again: it goes on where the ledger stands" };
    if (p.connection_lost) return { kind: "bad", head: "Connection to PostgreSQL lost", why: `${p.connection_lost}\nSince ${day(p.connection_lost_ms)} weir connects again by itself; nothing is lost, and the application goes on.` };
    if (p.paused_by) return { kind: "wait", head: `Paused by ${p.paused_by}`, why: "Nothing new is begun; what ran was finished.", todo: "To go on:", command: `weir resume ${p.plan}` };
    if (p.gate) {
      const votes = p.approvals_needed ? ` So far ${p.approvals} of ${p.approvals_needed} approvals.` : "";
      return { kind: "wait", head: `Waits for you at gate ${p.gate}`, why: `Since ${day(p.gate_since_ms)}. Every row is right in both shapes; old and new application work side by side.${votes}`,
        todo: "Deploy the application that uses the new shape. When no old one is left, approve:", command: `weir approve ${p.plan} ${p.gate}`, notes: p.gate_notes || [] };
    }
    if (p.state === "waiting") return { kind: "wait", head: "Waits", why: "Run it again to go on." };
    if (p.state === "pending") return { kind: "", head: "Getting ready", why: "weir takes the lead and reads the ledger." };
    if (p.blockers) return { kind: "wait", head: "Waits for a lock", why: `${doing}. Nobody is made to wait longer than the bound meanwhile; weir tries again by itself.` };
    if (reasons.some(closed)) return { kind: "wait", head: "Waits for its window", why: reasons.join("\n") };
    if (p.pace <= 0) return { kind: "wait", head: "Held back to spare the server", why: reasons.join("\n") + "\nIt goes on by itself." };
    const slowed = p.pace < 1 ? `, slowed to ${percent(p.pace)}` : "";
    return { kind: "", head: `Running${slowed}`, why: doing };
  }
  function showState() {
    const s = state(), gone = down > 0 && !ends.includes(picture.state);
    text($("headline"), s.head);
    text($("explain"), (gone ? "This was the last news. " : "") + s.why);
    $("now").className = `card now ${gone ? "gone" : s.kind}`;
    $("todo").hidden = !s.todo;
    text($("todo-why"), s.todo || "");
    $("command").parentNode.hidden = !s.command;
    text($("command"), s.command || "");
    list($("todo-notes"), s.notes || [], note => el("li", note));
    document.title = `${s.head} · ${picture.plan || "weir"}`;
    text($("plan"), picture.plan ? `${picture.plan}, run ${picture.run}` : "…");
  }
  function showTrack() {
    const s = state(), track = [];
    for (const phase of phases) {
      const steps = run.steps.filter(step => step.phase === phase);
      if (!steps.length) continue;
      const done = steps.filter(step => (progress[step.step] || {}).state === "done").length;
      if (phase === "contract" && run.gate) {
        const passed = done > 0 || picture.phase === "contract" || picture.state === "done";
        track.push(["gate", picture.gate ? "waits for you" : passed ? "approved" : "ahead", picture.gate ? "current wait" : passed ? "done" : ""]);
      }
      const all = done === steps.length, current = !all && !picture.gate && picture.phase === phase && !["done", "undone"].includes(picture.state);
      track.push([phase, all ? "done" : done || current ? `${done} of ${steps.length} steps` : "ahead", all ? "done" : current ? `current ${s.kind}` : ""]);
    }
    list($("track"), track, ([name, words, kind]) => {
      const item = el("li", undefined, kind);
      if (kind.startsWith("current")) item.setAttribute("aria-current", "step");
      item.append(el("b", name), el("span", words));
      return item;
    });
  }
  function showWork() {
    const work = picture.work, whole = work ? (work.pages > 0 ? Math.min(1, work.pages_done / work.pages) : 1) : 0;
    let words = picture.title ? `${picture.step}: ${picture.title}` : "No step is running.";
    if (picture.workers) words += ` (${picture.workers} worker${picture.workers > 1 ? "s" : ""})`;
    text($("step-now"), words);
    $("bar").hidden = $("figures").hidden = !work;
    $("bar").setAttribute("aria-valuenow", Math.floor(whole * 100));
    $("fill").style.width = `${whole * 100}%`;
    text($("pages"), work ? `${percent(whole)} of ${count(work.pages)}` : "–");
    text($("rows"), work ? count(work.rows_done) + (work.rows_estimate > 0 ? ` of about ${count(work.rows_estimate)}` : "") : "–");
    text($("rate"), work && work.rows_per_second !== undefined ? `${count(work.rows_per_second)} rows/s` : "–");
    text($("eta"), work ? left(work) : "–");
  }
  function showWhy() {
    const over = ends.includes(picture.state), reasons = over ? [] : (picture.reasons || []).map(words => [words, picture.pace <= 0 ? "held" : ""]);
    if (picture.warning) reasons.push([`warning at ${day(picture.warned_ms)}: ${picture.warning}${picture.warning_hint ? " – " + picture.warning_hint : ""}`, ""]);
    for (const way of (!over && picture.ways) || []) if (way.reason) reasons.push([`${way.table}: ${way.way === "in_page" ? "in-page order" : "page range by page range"}, because ${way.reason}`, "muted"]);
    list($("reasons"), reasons.length || picture.blockers ? reasons : [["Nothing.", "muted"]], ([words, kind]) => el("li", words, kind));
    const blockers = picture.blockers || [];
    $("blockers-box").hidden = !picture.blockers;
    list($("blockers"), blockers.length ? blockers : ["who it is could not be seen"], words => el("li", words));
    const signals = (!over && picture.signals) || [];
    $("signals-box").hidden = !signals.length;
    list($("signals"), signals.map(one => ({ ...one, held: picture.pace < 1 })), one => {
      const holds = one.holds && picture.pace < 1, row = el("tr", undefined, holds ? "holds" : ""), name = el("td", one.signal.replaceAll("_", " ") + (one.subject ? ` of ${one.subject}` : ""));
      if (one.unit && !plain.includes(one.unit)) name.append(el("small", one.unit));
      if (holds) name.append(el("small", "holds the run back"));
      if (one.problem) name.append(el("small", one.problem));
      row.append(name, el("td", one.value === undefined ? "not known" : figure(one.value, one.unit), "n"),
        el("td", one.limit === undefined ? "none" : one.value === undefined && !one.unit ? "–" : figure(one.limit, one.unit), "n"), el("td", time(one.age_ms / 1000), "n"));
      return row;
    });
  }

  // ---- charts
  function chart(name, column, words, top) {
    const node = $(name), width = 300, height = 80, known = samples.filter(s => s[column] !== null).map(s => s[column]);
    const now = samples.length ? samples[samples.length - 1][column] : null;
    text($(`${name}-now`), now === null ? "not known" : words(now));
    const first = samples.length ? samples[0][0] : 0, span = Math.max(samples.length ? samples[samples.length - 1][0] - first : 0, 60000);
    const end = samples.length ? samples[samples.length - 1][0] : 0, most = top || Math.max(...known, 0) * 1.1 || 1;
    const x = at => width - (end - at) / span * width, y = value => height - 1 - value / most * (height - 4);
    let line = "", area = "", open = 0, before = null;
    for (const s of samples) {
      if (s[column] === null) { if (before) area += `L${x(before[0]).toFixed(1)} ${height}Z`; before = null; continue; }
      const point = `${x(s[0]).toFixed(1)} ${y(s[column]).toFixed(1)}`;
      area += before ? `L${point}` : `M${x(s[0]).toFixed(1)} ${height}L${point}`;
      line += `${before ? "L" : "M"}${point}`;
      before = s;
      open++;
    }
    if (before) area += `L${x(before[0]).toFixed(1)} ${height}Z`;
    const path = (kind, d) => { const p = document.createElementNS("http://www.w3.org/2000/svg", "path"); p.setAttribute("class", kind); p.setAttribute("d", d); return p; };
    node.replaceChildren(...(open ? [path("a", area), path("l", line)] : []));
    const ago = `${time(span / 1000)} ago`;
    text(node.parentNode.querySelector(".axis span"), ago);
    node.setAttribute("aria-label", known.length ? `from ${ago} until now: lowest ${words(Math.min(...known))}, highest ${words(Math.max(...known))}, now ${now === null ? "not known" : words(now)}` : "no figures yet");
  }
  function showCharts() {
    chart("c-rate", 1, n => `${short(n)} rows/s`);
    chart("c-lag", 2, n => time(n));
    chart("c-pace", 3, percent, 1.05);
  }

  // ---- steps and log
  const marks = { pending: "ahead", running: "running", done: "done", undone: "undone" };
  function makeSteps() {
    list($("steps"), run.steps, step => {
      const item = el("li"), details = el("details"), summary = el("summary");
      summary.append(el("span", step.step, "id mono"), el("span", step.title, "title"), el("span", "", "badge"));
      summary.lastChild.dataset.step = step.step;
      details.append(summary);
      for (const lock of step.locks) details.append(el("p", `locks ${lock.table}: ${lock.mode} (${lock.who_waits} wait${lock.who_waits === "nobody" ? "s" : ""})`, "locks"));
      if (!step.locks.length) details.append(el("p", "locks no table", "locks"));
      for (const note of step.notes) details.append(el("p", note, "locks"));
      const sql = el("pre", step.sql || "-- nothing");
      sql.tabIndex = 0;
      sql.setAttribute("aria-label", `SQL of ${step.step}`);
      details.append(sql);
      item.append(details);
      return item;
    });
  }
  function showSteps() {
    for (const badge of document.querySelectorAll(".badge")) {
      const one = progress[badge.dataset.step] || { state: "pending" };
      badge.className = `badge ${one.state}`;
      text(badge, marks[one.state] + (one.took_ms !== undefined ? ` in ${time(one.took_ms / 1000)}` : ""));
    }
  }
  // The list comes every few seconds, the picture of this run at once.
  const stateOf = one => one.plan === picture.plan && one.run === picture.run && ends.includes(picture.state) ? picture.state : one.state;
  function showRuns() {
    $("runs-box").hidden = !history.length;
    $("runs-more").hidden = history.length < runsAtMost;
    list($("runs"), history.map(one => ({ ...one, state: stateOf(one), mine: one.plan === picture.plan && one.run === picture.run })), one => {
      const row = el("tr", undefined, one.mine ? "now" : ""), plan = el("th", one.plan), state = el("td", one.state, one.state.startsWith("stopped") ? "bad" : "");
      plan.scope = "row";
      if (one.mine) plan.append(el("small", "this run"));
      if (one.stopped) state.append(el("small", one.stopped));
      if (one.quarantine_ends_ms) state.append(el("small", `until ${day(one.quarantine_ends_ms)}${one.values_not_back ? `; ${count(one.values_not_back)} values did not go back` : ""}`));
      const times = Object.entries(one.phases_ms).map(([phase, ms]) => `${phase} ${time(ms / 1000)}`).join(", ");
      row.append(plan, el("td", String(one.run), "n"), state, el("td", day(one.began_ms)), el("td", times || "–"), el("td", count(one.rows), "n"),
        el("td", one.rows_wrong === undefined ? "–" : count(one.rows_wrong), one.rows_wrong ? "n bad" : "n"), el("td", one.by));
      return row;
    });
  }
  const who = all => all.length ? all.join("; ") : "somebody who could not be seen";
  const because = reason => reason ? `, because ${reason}` : "";
  const told = {
    run_began: e => `run ${e.run} of plan ${e.plan} ${e.resumed ? "goes on" : "begins"}, ${e.steps} steps`,
    phase_began: e => `phase ${e.phase}`,
    step_began: e => `${e.step} begins: ${e.title}`,
    step_done: e => `${e.step} done in ${time(e.took_ms / 1000)}: ${e.title}`,
    step_undone: e => `${e.step} undone in ${time(e.took_ms / 1000)}: ${e.title}`,
    work_known: e => `${e.step} ${e.proof ? "reads" : "fills"} ${e.table}: ${count(e.pages)} pages`,
    batch_retried: e => `${e.step} ${e.table}: a batch was rolled back and is tried again: ${e.reason}`,
    way_changed: e => `${e.step} ${e.table}: ${e.way === "in_page" ? "in-page order" : "page range by page range"} from now on${because(e.reason)}`,
    workers_changed: e => `${e.step}: ${e.workers} worker${e.workers > 1 ? "s" : ""} from now on${because(e.reason)}`,
    vacuumed: e => `${e.step} ${e.table}: vacuumed in ${time(e.took_ms / 1000)}, after ${count(e.dead_rows)} dead rows`,
    lock_tried: e => e.got ? `${e.step} got its locks` : [`${e.step} waits for a lock, held by ${who(e.blockers)}`, "wait"],
    blocker_ended: e => [`${e.step} ${e.how} ${e.blocker}, which stood in the way of its lock`, "wait"],
    waits_for: e => [`${e.step} runs, and waits for ${who(e.blockers)}`, "wait"],
    pace_changed: e => e.pace <= 0 ? [`held: ${e.reasons.join("; ")}`, "wait"] : "goes on",
    paused: e => [`paused by ${e.user}`, "wait"],
    resumed: e => `resumed by ${e.user}`,
    setting_changed: e => `${e.user} set ${e.key} to ${e.value}`,
    gate_opened: e => [`gate ${e.gate} is open: the run waits`, "wait"],
    gate_voted: e => `gate ${e.gate}: ${e.have} of ${e.needed} approvals, the last by ${e.user}`,
    gate_approved: e => `gate ${e.gate} was approved by ${e.user}`,
    proof_done: e => e.rows_wrong ? [`${e.step} ${e.table}: ${count(e.rows_wrong)} rows are not right`, "bad"] : `${e.step} ${e.table}: every row is right`,
    warned: e => [`warning: ${e.message}${e.hint ? " – " + e.hint : ""}`, "wait"],
    connection_lost: e => [`${e.message}; connecting again, nothing is lost`, "bad"],
    stopped: e => [`stopped: ${e.message}${e.hint ? " – " + e.hint : ""}`, "bad"],
    run_done: e => `the run ends: ${e.state}`,
  };
  function log(event) {
    const words = [told[event.event] ? told[event.event](event) : event.event].flat(), item = el("li"), at = el("time", day(Date.parse(event.at)));
    at.dateTime = event.at;
    item.append(at, el("span", words[0], words[1]));
    $("log").prepend(item);
    while ($("log").childElementCount > 200) $("log").lastChild.remove();
  }

  // ---- news
  function show() {
    showState();
    showTrack();
    showWork();
    showWhy();
    showCharts();
    showSteps();
    showRuns();
  }
  function add(sample) {
    // Where nothing was told, nothing had changed.
    const last = samples[samples.length - 1];
    if (last && sample[0] - last[0] > 2500) samples.push([sample[0] - 1000, last[1], last[2], last[3]]);
    if (last && sample[0] - last[0] < 900) samples.pop();
    samples.push(sample);
    const oldest = sample[0] - samplesKept * 1000;
    while (samples[0][0] < oldest) samples.shift();
  }
  const news = {
    run: all => {
      run = all;
      ({ picture, progress, samples } = all);
      $("log").replaceChildren();
      all.events.forEach(log);
      text($("version"), `weir ${all.weir}`);
      makeSteps();
      show();
    },
    picture: one => {
      ({ picture, progress } = one);
      add(one.sample);
      show();
    },
    event: log,
    runs: all => { history = all.runs; showRuns(); },
    beat: () => {},
  };

  // ---- the connection
  function link() {
    const ended = ends.includes(picture.state);
    $("link").className = `link ${down ? (ended ? "" : "down") : heard ? "up" : ""}`;
    if (!heard && !down) return;
    text($("link"), !down ? "live" : ended ? `weir has ended; last news at ${day(heard || down)}` : `weir stopped or unreachable since ${day(down)}`);
  }
  function lost() {
    if (!down) down = Date.now();
    source.close();
    link();
    if (run) showState();
    setTimeout(connect, rest);
    rest = Math.min(rest * 2, 8000);
  }
  function connect() {
    const mine = source = new EventSource("api/events");
    let over = false;
    const leave = () => { if (over) return; over = true; clearInterval(watch); lost(); };
    let last = Date.now();
    const watch = setInterval(() => { if (Date.now() - last > silence) leave(); }, 5000);
    for (const kind of Object.keys(news)) mine.addEventListener(kind, message => {
      heard = last = Date.now();
      down = 0;
      rest = 1000;
      news[kind](JSON.parse(message.data));
      link();
    });
    mine.onerror = leave;
  }
  $("copy").addEventListener("click", async () => {
    const selection = getSelection();
    selection.selectAllChildren($("command"));
    try { await navigator.clipboard.writeText($("command").textContent); } catch { document.execCommand("copy"); }
    text($("copy"), "Copied");
    clearTimeout(copied);
    copied = setTimeout(() => text($("copy"), "Copy"), 2000);
  });
  connect();
})();
