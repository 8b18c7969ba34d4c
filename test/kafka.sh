#!/usr/bin/env bash
# Runs a real Apache Kafka (KRaft, no ZooKeeper, no docker) on 127.0.0.1 for tests.
# Needs Java 17 or later, Maven (for the first start of a version only; the jars stay in
# ${STREAMMON_KAFKA_CACHE:-$HOME/.cache/streammon-kafka}) and openssl (with --tls only).
#
#   test/kafka.sh start --version 4.4.0 --dir /tmp/kafka44 --port 29092 --sasl --tls
#   export STREAMMON_KAFKA=4.4.0=127.0.0.1:29092 STREAMMON_KAFKA_TLS=4.4.0=/tmp/kafka44/tls
#   go test ./...
#   test/kafka.sh stop --dir /tmp/kafka44
#
# The settings are for tests: topics are never created by themselves, groups rebalance
# at once, compaction and retention run within a second, a dead broker is noticed after
# 3 s. With --sasl the user is alice, the password alice-secret (PLAIN, SCRAM-SHA-256 and
# -512); with --acl, too, bob and bob-secret may do nothing until a test lets him, while everybody else
# may do all. With --tls DIR/tls holds ca.pem, client.pem and client.key. KAFKA_JAVA_OPTS
# replaces the JVM's options.
set -euo pipefail

usage() {
  cat <<'X'
kafka.sh start   [--dir DIR] [--version V] [--port P] [--brokers N] [--sasl] [--tls] [--acl] [--props k=v ...]
                                            a fresh broker; prints bootstrap=... pid=... log=...
kafka.sh restart [--dir DIR] [--node N]     stop, then start again on the same data
kafka.sh stop    [--dir DIR] [--node N]     SIGTERM, SIGKILL after 10 s
kafka.sh kill    [--dir DIR] [--node N]     SIGKILL, for crash tests
kafka.sh fetch   [--version V]              only fill the cache (no broker)
X
}

die() { echo "kafka.sh: $*" >&2; exit 1; }

version=4.4.0 port=19092 dir=${TMPDIR:-/tmp}/streammon-kafka brokers=1 node='' sasl='' tls='' acl='' props=()
cache=${STREAMMON_KAFKA_CACHE:-$HOME/.cache/streammon-kafka}
# Small, and quick to start.
read -ra java_opts <<<"${KAFKA_JAVA_OPTS:--Xms128m -Xmx512m -XX:+UseSerialGC -XX:TieredStopAtLevel=1}"

# Ports: node i has base P+10(i-1): +0 plain, +1 controller, +2 SASL, +3 TLS, +4 mTLS, +5 SASL over TLS.
port_of() { echo $((port + 10 * ($1 - 1) + $2)); }

# fetch puts Kafka's jars into the cache. A half-filled cache is never seen: the folder is moved into place when complete.
fetch() {
  [[ -d $cache/$version/lib ]] && return
  command -v mvn >/dev/null || die "no Kafka $version in $cache, and no mvn to fetch it"
  local tmp
  mkdir -p "$cache"
  tmp=$(mktemp -d "$cache/tmp.XXXXXX")
  cat >"$tmp/pom.xml" <<X
<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>
 <groupId>local</groupId><artifactId>kafka-runtime</artifactId><version>1</version><packaging>pom</packaging>
 <dependencies>
  <dependency><groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>$version</version></dependency>
  <dependency><groupId>org.slf4j</groupId><artifactId>slf4j-simple</artifactId><version>1.7.36</version></dependency>
 </dependencies></project>
X
  mvn -q -B -f "$tmp/pom.xml" org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy-dependencies \
    -DincludeScope=runtime -DoutputDirectory="$tmp/lib" >"$tmp/mvn.log" 2>&1 ||
    { tail -n 5 "$tmp/mvn.log" >&2; rm -rf "$tmp"; die "Maven could not resolve Kafka $version"; }
  mv -T "$tmp" "$cache/$version" 2>/dev/null || rm -rf "$tmp" # somebody else was faster
  [[ -d $cache/$version/lib ]] || die "could not fill $cache/$version"
}

# kafka_java MAIN ARGS... runs a class of the cached Kafka; exec, so that $! is java's own pid.
kafka_java() { exec java "${java_opts[@]}" -cp "$cache/$version/lib/*" -Dorg.slf4j.simpleLogger.showDateTime=true \
  -Dorg.slf4j.simpleLogger.dateTimeFormat=HH:mm:ss.SSS "$@"; }

# certs makes a CA, a server certificate for 127.0.0.1 and localhost, and a client certificate, all PEM.
certs() {
  local t=$dir/tls name
  mkdir -p "$t"
  {
    openssl req -x509 -newkey rsa:2048 -nodes -days 30 -subj /CN=streammon-test-ca -keyout "$t/ca.key" -out "$t/ca.pem"
    for name in server client; do
      openssl req -newkey rsa:2048 -nodes -subj "/CN=$name" -keyout "$t/$name.key" -out "$t/$name.csr"
      openssl x509 -req -in "$t/$name.csr" -CA "$t/ca.pem" -CAkey "$t/ca.key" -CAcreateserial -days 30 -out "$t/$name.pem" \
        -extfile <(echo "subjectAltName=IP:127.0.0.1,DNS:localhost")
    done
  } 2>"$t/openssl.log" || { tail -n 5 "$t/openssl.log" >&2; die "openssl failed"; }
  cat "$t/server.key" "$t/server.pem" >"$t/server-keystore.pem"
}

# properties NODE prints server.properties. Later lines win, so --props come last.
properties() {
  local i voters='' listeners='' map='CONTROLLER:PLAINTEXT' rf=$((brokers < 3 ? brokers : 3))
  for ((i = 1; i <= brokers; i++)); do voters+=,$i@127.0.0.1:$(port_of "$i" 1); done
  add() { listeners+=,$1://127.0.0.1:$(port_of "$node" "$2") map+=,$1:$3; }
  local node=$1
  add PLAINTEXT 0 PLAINTEXT
  [[ $sasl ]] && add SASL 2 SASL_PLAINTEXT
  [[ $tls ]] && { add TLS 3 SSL; add MTLS 4 SSL; }
  [[ $sasl && $tls ]] && add SASLTLS 5 SASL_SSL
  cat <<X
process.roles=broker,controller
node.id=$node
controller.quorum.voters=${voters#,}
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
listeners=${listeners#,},CONTROLLER://127.0.0.1:$(port_of "$node" 1)
advertised.listeners=${listeners#,}
listener.security.protocol.map=$map
log.dirs=$dir/node$node/data
# No surprises: a topic exists because a test made it.
auto.create.topics.enable=false
default.replication.factor=$rf
offsets.topic.replication.factor=$rf
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=$rf
transaction.state.log.num.partitions=2
transaction.state.log.min.isr=1
# Quick groups.
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=500
# Quick cleaning and retention.
log.cleaner.backoff.ms=200
log.cleaner.dedupe.buffer.size=8388608
log.retention.check.interval.ms=1000
log.initial.task.delay.ms=500
log.segment.delete.delay.ms=1000
# Quick detection of a dead broker (leader change).
broker.heartbeat.interval.ms=500
broker.session.timeout.ms=3000
# Small.
num.network.threads=2
num.io.threads=4
X
  if [[ $sasl ]]; then
    local l m module
    for l in sasl sasltls; do
      [[ $l == sasltls && ! $tls ]] && continue
      echo "listener.name.$l.sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256,SCRAM-SHA-512"
      module=org.apache.kafka.common.security
      echo "listener.name.$l.plain.sasl.jaas.config=$module.plain.PlainLoginModule required user_alice=\"alice-secret\" user_bob=\"bob-secret\";"
      for m in 256 512; do
        echo "listener.name.$l.scram-sha-$m.sasl.jaas.config=$module.scram.ScramLoginModule required;"
      done
    done
  fi
  if [[ $tls ]]; then
    cat <<X
ssl.keystore.type=PEM
ssl.keystore.location=$dir/tls/server-keystore.pem
ssl.truststore.type=PEM
ssl.truststore.location=$dir/tls/ca.pem
listener.name.mtls.ssl.client.auth=required
X
  fi
  if [[ $acl ]]; then
    echo "authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer"
    echo "super.users=User:ANONYMOUS;User:alice;User:CN=client"
  fi
  printf '%s\n' "${props[@]+"${props[@]}"}"
}

# format NODE prepares the data folder; SCRAM users are part of the first metadata record.
format() {
  local scram=() m
  if [[ $sasl ]]; then
    for m in 256 512; do scram+=(--add-scram "SCRAM-SHA-$m=[name=alice,password=alice-secret]"); done
  fi
  (kafka_java kafka.tools.StorageTool format -t "$(<"$dir/cluster.id")" -c "$dir/node$1/server.properties" \
    "${scram[@]+"${scram[@]}"}") >"$dir/node$1/format.log" 2>&1 ||
    { tail -n 20 "$dir/node$1/format.log" >&2; die "format of node $1 failed"; }
}

# answers NODE COUNT succeeds when the node answers a Metadata request that names at least COUNT brokers:
# an open port is not enough, it opens seconds earlier.
answers() (
  exec 2>/dev/null
  exec 3<>"/dev/tcp/127.0.0.1/$(port_of "$1" 0)" || exit 1
  # size 19 | Metadata (3) v1 | correlation 7 | client id "probe" | no topics
  printf '\0\0\0\x13\0\3\0\1\0\0\0\7\0\5probe\0\0\0\0' >&3
  # size 4 | correlation 4 | broker count 4
  named=$(timeout 2 head -c 12 <&3 | od -An -j11 -tu1)
  [[ $named && $named -ge $2 ]]
)

pid_of() { cat "$dir/node$1/pid" 2>/dev/null || true; }
# alive PID: "Zl" is a killed java whose other threads still hold its sockets and files, so it counts as alive; "Z" does not.
alive() {
  local stat
  stat=$([[ $1 ]] && ps -o stat= -p "$1") || return 1
  [[ $stat != Z* || $stat == *l* ]]
}

launch() {
  local n=$1 d=$dir/node$1
  alive "$(pid_of "$n")" && die "node $n already runs (pid $(pid_of "$n"))"
  (exec 3<>"/dev/tcp/127.0.0.1/$(port_of "$n" 0)") 2>/dev/null && die "port $(port_of "$n" 0) is taken"
  kafka_java kafka.Kafka "$d/server.properties" >>"$d/log" 2>&1 </dev/null &
  echo $! >"$d/pid"
}

# await NODES... waits up to 60 s until every one of them answers and knows all nodes that run.
await() {
  local n up=0 deadline=$((SECONDS + 60))
  for ((n = 1; n <= brokers; n++)); do alive "$(pid_of "$n")" && up=$((up + 1)); done
  for n in "$@"; do
    until answers "$n" "$up"; do
      alive "$(pid_of "$n")" || give_up "$n" "ended while starting" "$@"
      ((SECONDS < deadline)) || give_up "$n" "does not answer after 60 s" "$@"
      sleep 0.1
    done
  done
}

# give_up NODE REASON NODES... leaves no process behind.
give_up() {
  local n
  tail -n 30 "$dir/node$1/log" >&2
  for n in "${@:3}"; do stop_node "$n" KILL; done
  die "node $1 $2, its log is $dir/node$1/log"
}

# stop_node NODE SIGNAL
stop_node() {
  local pid i
  pid=$(pid_of "$1")
  rm -f "$dir/node$1/pid"
  # A pid file may outlive its process: signal nothing but our own java.
  [[ $pid && $(ps -ww -o args= -p "$pid") == *"$dir/node$1/server.properties"* ]] || return 0
  kill -"$2" "$pid"
  for ((i = 0; i < 100; i++)); do alive "$pid" || return 0; sleep 0.1; done
  kill -KILL "$pid"
}

[[ $# -gt 0 ]] || { usage; exit 2; }
command=$1
shift
while [[ $# -gt 0 ]]; do
  case $1 in --version | --port | --dir | --brokers | --node | --props) [[ $# -ge 2 ]] || die "$1 needs a value" ;; esac
  case $1 in
    --version) version=$2; shift 2 ;;
    --port) port=$2; shift 2 ;;
    --dir) dir=$2; shift 2 ;;
    --brokers) brokers=$2; shift 2 ;;
    --node) node=$2; shift 2 ;;
    --sasl) sasl=1; shift ;;
    --tls) tls=1; shift ;;
    --acl) acl=1; shift ;;
    --props) shift; while [[ $# -gt 0 && $1 != --* ]]; do props+=("$1"); shift; done ;;
    *) usage >&2; die "unknown option $1" ;;
  esac
done
dir=$(realpath -m "$dir")

# What start decided, the other commands read back.
saved="version port brokers sasl tls acl"
if [[ $command != start && $command != fetch ]]; then
  [[ -f $dir/settings ]] || die "no broker in $dir"
  # shellcheck source=/dev/null
  source "$dir/settings"
fi
if [[ $node ]]; then nodes=("$node"); else mapfile -t nodes < <(seq "$brokers"); fi

case $command in
  fetch) fetch ;;
  start)
    [[ -e $dir/settings ]] && die "$dir already holds a broker: use restart, or remove it"
    fetch
    mkdir -p "$dir"
    [[ $tls ]] && certs
    head -c 16 /dev/urandom | base64 | tr '+/' 'AB' | tr -d '=' >"$dir/cluster.id"
    for n in "${nodes[@]}"; do
      mkdir -p "$dir/node$n"
      properties "$n" >"$dir/node$n/server.properties"
      format "$n"
    done
    for name in $saved; do echo "$name=${!name}"; done >"$dir/settings"
    ;;&
  # All at once: the last node of a quorum cannot leave it in good order.
  stop) for n in "${nodes[@]}"; do stop_node "$n" TERM & done; wait ;;
  kill) for n in "${nodes[@]}"; do stop_node "$n" KILL; done ;;
  restart) for n in "${nodes[@]}"; do stop_node "$n" TERM & done; wait ;;&
  start | restart)
    for n in "${nodes[@]}"; do launch "$n"; done
    await "${nodes[@]}"
    line='' pids=''
    for ((n = 1; n <= brokers; n++)); do line+=,127.0.0.1:$(port_of "$n" 0) pids+=,$(pid_of "$n"); done
    line="bootstrap=${line#,} pid=${pids#,} log=$dir/node1/log version=$version"
    [[ $sasl ]] && line+=" sasl=127.0.0.1:$(port_of 1 2)"
    [[ $tls ]] && line+=" tls=127.0.0.1:$(port_of 1 3) mtls=127.0.0.1:$(port_of 1 4) certs=$dir/tls"
    [[ $sasl && $tls ]] && line+=" sasltls=127.0.0.1:$(port_of 1 5)"
    echo "$line"
    ;;
  *) usage >&2; die "unknown command $command" ;;
esac
