#include "tests/support/pair.h"

#include <csignal>

namespace weir::tests {

Pair::Pair(bool synchronous, bool fsync)
    : cluster{Cluster::Options{.fsync = fsync, .settings = {}, .hba = {}}}, bench{cluster} {
    cluster.add_replica("r1");
    if (synchronous) cluster.set("synchronous_standby_names", "r1");
    auto const host = cluster.conninfo().substr(5, cluster.conninfo().find(' ') - 5);
    auto const other = replica().conninfo().substr(5, replica().conninfo().find(' ') - 5);
    bench.db.conninfo = "host=" + host + "," + other + " port=" + std::to_string(cluster.port()) + "," +
                        std::to_string(replica().port()) + " user=postgres dbname=" + bench.db.name +
                        " target_session_attrs=read-write connect_timeout=5";
    bench.db.url = bench.db.conninfo;
}

void Pair::fail_over() {
    cluster.kill(SIGQUIT);
    query(replica().conninfo(), "SELECT pg_promote()");
}

}  // namespace weir::tests
