# A PostgreSQL server for tests: nothing it stores has to survive, and only this machine reaches it.
#   start        makes a cluster in this directory and starts it
#   stop         stops it and removes the directory
#   keep         starts it, says so, and stops it when standard input ends: also when whoever
#                started it was killed
set -eu
programs=$1 port=$2 action=$3
directory=$PWD

start() {
    "$programs/initdb" --pgdata="$directory/data" --username=postgres --auth=trust --encoding=UTF8 \
        --locale=C --no-sync >"$directory/log" 2>&1 || { cat "$directory/log" >&2; exit 1; }
    "$programs/pg_ctl" start --silent --wait --pgdata="$directory/data" --log="$directory/log" --options="-p $port \
        -c listen_addresses=127.0.0.1 -c unix_socket_directories='$directory' -c max_connections=400 \
        -c fsync=off -c full_page_writes=off -c synchronous_commit=off -c autovacuum=off" \
        >/dev/null </dev/null || { cat "$directory/log" >&2; exit 1; }
}

stop() {
    "$programs/pg_ctl" stop --silent --wait --mode=immediate --pgdata="$directory/data" >/dev/null 2>&1 || true
    cd /
    rm -rf "$directory"
}

case $action in
    start) start ;;
    stop) stop ;;
    keep)
        # The terminal's Ctrl-C ends the one who holds standard input; this comes after.
        trap '' INT HUP TERM
        trap stop EXIT
        start
        echo ready
        cat >/dev/null
        ;;
esac
