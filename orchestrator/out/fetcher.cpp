#include "orchestrator/out/fetcher.h"

#include <curl/curl.h>

#include <algorithm>
#include <boost/asio/execution/outstanding_work.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/prefer.hpp>
#include <chrono>
#include <cstdio>
#include <deque>
#include <map>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>

namespace weir {
namespace {

Millis steady_now() { return std::chrono::duration_cast<Millis>(std::chrono::steady_clock::now().time_since_epoch()); }

struct Job {
    std::string url;
    std::optional<std::string> body;  ///< of a POST
    Fetcher::Reply reply;
    boost::asio::any_io_executor home;  // counts as work: `home` does not run dry while a reply is due
};

struct Transfer {
    CURL* easy{};
    Job job;
    FetchLimits limits;
    std::string body;
    std::size_t header_bytes{};
    bool too_large{};
    curl_slist* headers{};

    explicit Transfer(Job given, FetchLimits const& bounds) : job{std::move(given)}, limits{bounds} {}
    ~Transfer() {
        if (easy != nullptr) curl_easy_cleanup(easy);
        curl_slist_free_all(headers);
    }
    Transfer(Transfer const&) = delete;
    Transfer& operator=(Transfer const&) = delete;
};

std::size_t take_body(char const* data, std::size_t size, std::size_t count, void* self) {
    auto& transfer = *static_cast<Transfer*>(self);
    transfer.too_large = size * count > transfer.limits.body_bytes - transfer.body.size();
    if (transfer.too_large) return 0;
    transfer.body.append(data, size * count);
    return size * count;
}

std::size_t take_header(char const*, std::size_t size, std::size_t count, void* self) {
    auto& transfer = *static_cast<Transfer*>(self);
    transfer.header_bytes += size * count;
    transfer.too_large = transfer.header_bytes > transfer.limits.header_bytes;
    return transfer.too_large ? 0 : size * count;
}

bool prepare(Transfer& transfer) {
    auto* const easy = transfer.easy = curl_easy_init();
    if (easy == nullptr) return false;
    bool whole = true;
    auto const set = [&](CURLoption option, auto value) {
        whole = whole && curl_easy_setopt(easy, option, value) == CURLE_OK;
    };
    set(CURLOPT_URL, transfer.job.url.c_str());
#if LIBCURL_VERSION_NUM >= 0x075500
    set(CURLOPT_PROTOCOLS_STR, "http,https");
#else
    set(CURLOPT_PROTOCOLS, static_cast<long>(CURLPROTO_HTTP | CURLPROTO_HTTPS));
#endif
#if LIBCURL_VERSION_NUM >= 0x075700
    // A name that cannot be resolved in time is left to its thread instead of being waited for.
    set(CURLOPT_QUICK_EXIT, 1L);
#endif
    set(CURLOPT_PROXY, "");
    set(CURLOPT_FOLLOWLOCATION, 0L);
    set(CURLOPT_NOSIGNAL, 1L);
    set(CURLOPT_NETRC, static_cast<long>(CURL_NETRC_IGNORED));
    set(CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));
    set(CURLOPT_USERAGENT, "weir");
    set(CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(transfer.limits.connect.count()));
    set(CURLOPT_TIMEOUT_MS, static_cast<long>(transfer.limits.total.count()));
    set(CURLOPT_WRITEFUNCTION, &take_body);
    set(CURLOPT_WRITEDATA, static_cast<void*>(&transfer));
    set(CURLOPT_HEADERFUNCTION, &take_header);
    set(CURLOPT_HEADERDATA, static_cast<void*>(&transfer));
    set(CURLOPT_PRIVATE, static_cast<void*>(&transfer));
    if (transfer.job.body) {
        transfer.headers = curl_slist_append(nullptr, "Content-Type: application/json");
        set(CURLOPT_HTTPHEADER, transfer.headers);
        set(CURLOPT_POST, 1L);
        set(CURLOPT_POSTFIELDS, transfer.job.body->c_str());
        set(CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(transfer.job.body->size()));
    }
    return whole;
}

std::string seconds(Millis time) {
    char text[32];
    (void)std::snprintf(text, sizeof text, "%g s", static_cast<double>(time.count()) / 1000);
    return text;
}

std::string why(Transfer const& transfer, CURLcode code) {
    auto const who = shown_address(transfer.job.url);
    if (transfer.too_large) return who + " answers with more than weir reads";
    switch (code) {
        case CURLE_OPERATION_TIMEDOUT: {
            curl_off_t asked = 0;  // how long it took until the request could be sent
            curl_easy_getinfo(transfer.easy, CURLINFO_PRETRANSFER_TIME_T, &asked);
            if (asked == 0) return who + " was not reached within " + seconds(transfer.limits.connect);
            return who + " did not answer within " + seconds(transfer.limits.total);
        }
        // curl's own words for the others name no more than the code does; its longer ones may quote the address.
        default: {
            std::string words = curl_easy_strerror(code);
            std::ranges::transform(words, words.begin(), [first = true](char c) mutable {
                return std::exchange(first, false) && c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
            });
            return who + ": " + words;
        }
    }
}

}  // namespace

struct Fetcher::World {
    boost::asio::any_io_executor home;
    FetchLimits limits;
    std::shared_ptr<bool> alive{std::make_shared<bool>(true)};  // touched on home's thread only
    CURLM* multi{};
    std::mutex mutex;
    std::deque<Job> jobs;  // this and the next are the mutex's
    bool stopping{};
    std::map<Transfer*, std::unique_ptr<Transfer>> running;  // the thread's alone
    std::thread thread;

    void run() {
        for (;;) {
            std::deque<Job> fresh;
            {
                std::lock_guard const lock{mutex};
                if (stopping) break;
                fresh.swap(jobs);
            }
            for (auto& job : fresh) begin(std::move(job));
            int left = 0;
            curl_multi_perform(multi, &left);
            finish();
            curl_multi_poll(multi, nullptr, 0, 1000, nullptr);
        }
        for (auto const& [transfer, owned] : running) curl_multi_remove_handle(multi, transfer->easy);
        running.clear();
    }

    void add(Job job) {
        job.home = boost::asio::prefer(home, boost::asio::execution::outstanding_work.tracked);
        {
            std::lock_guard const lock{mutex};
            jobs.push_back(std::move(job));
        }
        curl_multi_wakeup(multi);
    }

    void begin(Job job) {
        auto transfer = std::make_unique<Transfer>(std::move(job), limits);
        if (!prepare(*transfer) || curl_multi_add_handle(multi, transfer->easy) != CURLM_OK)
            return answer(*transfer, CURLE_FAILED_INIT);
        auto* const key = transfer.get();
        running.emplace(key, std::move(transfer));
    }

    void finish() {
        int left = 0;
        while (auto const* const message = curl_multi_info_read(multi, &left)) {
            if (message->msg != CURLMSG_DONE) continue;
            auto const code = message->data.result;
            char* self = nullptr;
            curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &self);
            auto const owned = running.extract(reinterpret_cast<Transfer*>(self));
            curl_multi_remove_handle(multi, owned.mapped()->easy);
            answer(*owned.mapped(), code);
        }
    }

    void answer(Transfer& transfer, CURLcode code) {
        Fetched fetched;
        fetched.at = steady_now();
        if (code == CURLE_OK) {
            long status = 0;
            curl_easy_getinfo(transfer.easy, CURLINFO_RESPONSE_CODE, &status);
            fetched.status = static_cast<int>(status);
            fetched.body = std::move(transfer.body);
        } else {
            fetched.problem = why(transfer, code);
        }
        auto const executor = transfer.job.home;
        boost::asio::post(
            executor, [known = alive, reply = std::move(transfer.job.reply), fetched = std::move(fetched)]() mutable {
                if (*known) reply(std::move(fetched));
            });
        transfer.job.home = {};
    }
};

Fetcher::Fetcher(boost::asio::any_io_executor home, FetchLimits limits) : world_{std::make_unique<World>()} {
    // Before the first thread that uses it, and once a process.
    static CURLcode const ready = curl_global_init(CURL_GLOBAL_DEFAULT);
    (void)ready;
    world_->home = std::move(home);
    world_->limits = limits;
    world_->multi = curl_multi_init();
    world_->thread = std::thread{[world = world_.get()] { world->run(); }};
}

Fetcher::~Fetcher() {
    *world_->alive = false;
    {
        std::lock_guard const lock{world_->mutex};
        world_->stopping = true;
    }
    curl_multi_wakeup(world_->multi);
    world_->thread.join();
    curl_multi_cleanup(world_->multi);
}

void Fetcher::get(std::string url, Reply reply) { world_->add({std::move(url), {}, std::move(reply), {}}); }

void Fetcher::post(std::string url, std::string body, Reply reply) {
    world_->add({std::move(url), std::move(body), std::move(reply), {}});
}

std::string shown_address(std::string_view url) {
    auto const scheme = url.find("://");
    if (scheme == std::string_view::npos) return "the address";
    auto const rest = url.substr(scheme + 3, url.find_first_of("?#", scheme + 3) - scheme - 3);
    auto host = rest.substr(0, rest.find('/'));
    // With a slash in it that should have been encoded, what looks like a host is the beginning of a secret.
    if (rest.find('@', host.size()) != std::string_view::npos) return "the address";
    if (auto const at = host.rfind('@'); at != std::string_view::npos) host.remove_prefix(at + 1);
    if (host.empty()) return "the address";
    return std::string{url.substr(0, scheme + 3)} + std::string{host};
}

}  // namespace weir
