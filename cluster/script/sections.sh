# What the scripts that read a node have in common. Every answer is one record: name, exit status, length in bytes, newline, the
# bytes, newline. Bash itself does what it can, since each process costs time.
export LC_ALL=C
put() { printf '%s %s %s\n%s\n' "$1" "$2" "${#3}" "$3"; }
run() {
  local name=$1 out
  shift
  out=$("$@" 2>/dev/null </dev/null)
  put "$name" $? "$out"
}
# Tools that work at the same time: each is begun, and told of later. One that is not there has nothing to tell.
declare -A tools=()
pids=()
begin() { # NAME COMMAND...
  local fd pid
  exec {fd}< <(echo "$BASHPID"; exec "${@:2}" 2>/dev/null </dev/null)
  IFS= read -r -u "$fd" pid
  tools[$1]=$fd pids+=("$pid")
}
told() { # NAME: what it tells, to its end, into out
  local fd=${tools[$1]}
  IFS= read -r -N 1000000000 -u "$fd" out # not -d or -t, which read byte by byte (bash 4.2 always does)
  exec {fd}<&-
  out=${out%$'\n'}
}
tell() { # NAME
  local out
  told "$1"
  put "$1" 0 "$out"
}
# Whether a unit is active.
active() { systemctl -q is-active "$1" 2>/dev/null; }
# Resolves names, each once, and all at the same time: where no DNS server answers, each takes all the time it has. One that
# takes longer is not found.
declare -A asked=()
resolve() {
  local name fd out names=() fds=()
  for name; do
    [ -z "$name" ] || [ -n "${asked[$name]}" ] && continue
    asked[$name]=1
    exec {fd}< <(exec timeout 5 getent ahosts "$name" 2>/dev/null </dev/null)
    names+=("$name") fds+=("$fd")
  done
  for name in "${names[@]}"; do
    out='' fd=${fds[0]} fds=("${fds[@]:1}")
    IFS= read -r -d '' -u "$fd" out
    exec {fd}<&-
    [ -n "$out" ]
    put "resolve:$name" $? "$out"
  done
}
# The rules of the packet filter.
filter() {
  if command -v nft >/dev/null; then run filter timeout 5 nft -a list ruleset
  elif command -v iptables >/dev/null; then run filter timeout 5 iptables -S
  fi
}
# A whole file; a NUL in it ends it early, which its hash then gives away.
file() {
  local out=
  if { IFS= read -r -d '' out <"$2" || [ -r "$2" ]; } 2>/dev/null; then put "$1" 0 "$out"; else put "$1" 1 ''; fi
}
