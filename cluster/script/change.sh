# What changes a node. The first argument names a function below; its own
# arguments follow. Everything is written beside what it replaces, flushed to
# the disk and renamed, and can be repeated without harm. Each process costs time,
# so that what bash does itself, and one process for two, is worth it.
# Exit status: 75 held by another, 76 unfinished operation, 77 changed meanwhile,
# 78 ended by another meanwhile.
export LC_ALL=C
umask 077
own_version=
J=/var/lib/clusterctl

fail() { echo "$*" >&2; return 1; }
# digest FILE: sets sum to its SHA-256, or absent.
digest() { if [ -e "$1" ]; then sum=$(sha256sum <"$1") && sum=${sum%% *}; else sum=absent; fi; }
# is FILE DIGEST
is() { digest "$1" && [ "$sum" = "$2" ]; }
# note WORDS: one line in the journal, on the disk when this returns. A power cut
# may have torn the one before, so that each begins a new line. On a full disk the
# room kept for it in begin is used, since undoing must be noted too.
note() {
  local line
  TZ=UTC0 printf -v line '%(%FT%TZ)T %s' -1 "$*"
  { printf '\n%s\n' "$line" >>"$E/log" && sync "$E/log" "$E"; } 2>/dev/null ||
    { rm -f "$E/reserve" && printf '\n%s\n' "$line" >>"$E/log" && sync "$E/log" "$E"; }
}
over() { grep -qE ' (done|undone)$' "$1/log" 2>/dev/null; }

# retire ID: the operation is over here, or never did anything. What it put in
# place need not be kept twice, keys least of all, and only the last ones are kept.
retire() {
  local entry=$J/op/$1
  [ -d "$entry" ] || return 0
  [ ! -s "$entry/log" ] || over "$entry" || { fail "operation $1 is not over"; return; }
  rm -rf "$entry/blobs" "$entry/reserve" "$entry/before/etc/corosync"/authkey* "$J/done/$1" &&
    mv "$entry" "$J/done/$1" && sync "$J/op" "$J/done" || return
  set -- "$J"/done/*
  while [ $# -gt 50 ]; do rm -rf "$1"; shift; done
}

# begin COUNT ID-OVER... ID JSON-LENGTH COUNT (HASH LENGTH)... COUNT PATH... COUNT UNIT... <json+blobs
begin() {
  local id new entry other n=$1
  shift
  while [ "$n" -gt 0 ]; do # over everywhere else: this node missed the end
    E=$J/op/$1
    [ ! -d "$E" ] || over "$E" || [ ! -s "$E/log" ] || note "${2}" || return
    n=$((n - 1)); shift 2
  done
  id=$1 new=$J/op/.$1
  for entry in "$J"/op/.[0-9]*; do [ ! -e "$entry" ] || rm -rf "$entry"; done
  for entry in "$J"/op/*/; do
    other=${entry%/} other=${other##*/}
    [ "$other" = '*' ] && continue
    [ "$other" = "$id" ] && return 0
    if [ ! -s "$entry/log" ] || over "$entry"; then
      retire "$other" || return
    else
      echo "$other" >&2
      return 76
    fi
  done
  fill "$@" && return
  n=$?
  rm -rf "$new"
  return $n
}
fill() { # as begin, from ID on
  local id=$1 new=$J/op/.$1 n path dir units unit active key value
  mkdir -p "$new/before" "$new/blobs" && head -c 4096 /dev/zero >"$new/reserve" && head -c "$2" >"$new/op.json" || return
  n=$3; shift 3
  while [ "$n" -gt 0 ]; do
    head -c "$2" >"$new/blobs/$1" && is "$new/blobs/$1" "$1" || return
    n=$((n - 1)); shift 2
  done
  n=$1; shift
  while [ "$n" -gt 0 ]; do
    dir=$new/before${1%/*}
    for path in "$1" "$1.new" "$1.bak"; do
      [ ! -e "$path" ] || { { [ -d "$dir" ] || mkdir -p "$dir"; } && cp -a "$path" "$dir"; } || return
    done
    n=$((n - 1)); shift
  done
  if [ "$1" -gt 0 ]; then
    units=$(systemctl show -p Id,ActiveState,UnitFileState "${@:2}") || return
    unit=
    while IFS='=' read -r key value; do
      case $key in
      Id) unit=${value%.service} ;;
      ActiveState) active=$value ;;
      UnitFileState) printf '%s %s %s\n' "$unit" "$active" "$value" >>"$new/units" || return ;;
      esac
    done <<<"$units"
  fi
  find "$new" -depth -exec sync {} + && mv "$new" "$J/op/$id" && sync "$J/op"
}

# journal ID: the entry, its log, and where they are: op, done or none.
journal() {
  local where entry
  for where in op done; do
    entry=$J/$where/$1
    [ -d "$entry" ] || continue
    put where 0 "$where"
    file op "$entry/op.json"
    file log "$entry/log"
    put end 0 ''
    return
  done
  put where 0 none
  put end 0 ''
}

# blobs ID: name, length and content of each.
blobs() {
  local blob
  [ -d "$J/op/$1/blobs" ] || { fail "operation $1 is not in the journal"; return; }
  for blob in "$J/op/$1/blobs/"*; do
    [ -e "$blob" ] || continue
    printf '%s 0 %s\n' "${blob##*/}" "$(stat -c %s "$blob")" && cat "$blob" && echo || return
  done
  printf 'end 0 0\n\n'
}

# step ID PHASE PHASE-AFTER STEP (KIND PATH BLOB BASE MODE UNIT NAME N VERSION)...
step() {
  local after=$3 name=$4 log=
  E=$J/op/$1
  if [ ! -d "$E" ]; then
    [ ! -s "$J/done/$1/log" ] || { fail "operation $1 was ended by another clusterctl"; return 78; }
    [ "$2" != undo ] || return 0 # nothing was done here: that would have been noted first
    fail "operation $1 is not in the journal"
    return
  fi
  { IFS= read -r -d '' log <"$E/log"; } 2>/dev/null
  case "$2 in$log" in # a clusterctl that slept must not go on with what another has ended
  do\ in*\ und[oi]* | do\ in*\ done$'\n'*)
    fail "operation $1 was ended by another clusterctl"
    return 78
    ;;
  esac
  note "$2 $4" || return
  shift 4
  while [ $# -gt 0 ]; do
    "op_$1" "${@:2:8}" || return
    shift 9
  done
  note "$after $name"
}

# end ID PHASE
end() {
  E=$J/op/$1
  [ ! -d "$E" ] || note "$2"
}

unchanged() { # PATH BASE, after its digest was taken
  [ -z "$2" ] || [ "$sum" = "$2" ] || { fail "$1 was changed by someone else meanwhile"; return 77; }
}
install_file() { # SOURCE PATH MODE
  { [ -d "${2%/*}" ] || mkdir -p "${2%/*}"; } && install -m "$3" "$1" "$2.tmp" && sync "$2.tmp" && mv -f "$2.tmp" "$2" && sync "${2%/*}"
}
keep() { # PATH: its .bak is what it was when the operation began
  [ ! -e "$E/before$1" ] || { cp -a "$E/before$1" "$1.bak.tmp" && secret "$1.bak.tmp" && sync "$1.bak.tmp" && mv -f "$1.bak.tmp" "$1.bak"; }
}
secret() { case $1 in */authkey*) chmod go= "$1" ;; esac; } # whatever its mode was
check() { # FILE
  local out
  : "${own_version:=$(corosync -v)}"
  case $own_version in
  *"version '2."*) out=$(COROSYNC_MAIN_CONFIG_FILE=$1 corosync -t 2>&1) ;;
  *) out=$(corosync -t -c "$1" 2>&1) ;;
  esac || fail "corosync -t refuses the new configuration: $out"
}

op_put() { # PATH BLOB BASE MODE
  is "$1" "$2" && { chmod "$4" "$1" && sync "${1%/*}"; return; } # it may have been killed before
  unchanged "$1" "$3" && keep "$1" && install_file "$E/blobs/$2" "$1" "$4"
}
op_write() { # PATH BLOB BASE MODE
  is "$1" "$2" && return
  unchanged "$1" "$3" && install_file "$E/blobs/$2" "$1.new" "$4"
}
op_stage() { # PATH BLOB BASE MODE
  op_write "$@" || return
  [ "$sum" = "$2" ] || check "$1.new"
}
op_test() { # PATH BLOB
  [ -n "$2" ] || { check "$1"; return; }
  check "$E/blobs/$2"
}
op_unstage() { rm -f "$1.new" "$1.new.tmp" "$1.tmp" "$1.bak.tmp"; }
op_swap() { # PATH BLOB BASE
  is "$1" "$2" && { sync "${1%/*}"; return; }
  unchanged "$1" "$3" || return
  is "$1.new" "$2" || { fail "$1.new is not what was staged"; return 77; }
  keep "$1" && mv -f "$1.new" "$1" && sync "${1%/*}"
}
op_unswap() { # PATH BLOB BASE: without BLOB as it was
  rm -f "$1.new"
  is "$1" "$3" || return 0
  if [ -z "$2" ] || is "$E/before$1" "$2"; then op_restore "$1"; else install_file "$E/blobs/$2" "$1" 0644; fi
}
op_aside() { # PATH: a file or a directory
  [ ! -e "$1" ] || { { [ ! -d "$1.bak" ] || rm -rf "$1.bak"; } && secret "$1" && mv -f "$1" "$1.bak" && sync "${1%/*}"; }
}
op_restore() { # PATH - - - UNIT: with UNIT not where that has come up since, and runs with what is there
  local path was
  case ${5:+$(systemctl is-active "$5")} in
  active | activating | reloading) grep -q "^$5 active " "$E/units" || return 0 ;;
  esac
  for path in "$1" "$1.new" "$1.bak"; do
    was=$E/before$path
    rm -rf "$path.tmp" || return
    if [ ! -e "$was" ]; then
      rm -rf "$path" || return
    elif [ -d "$was" ]; then
      cp -a "$was" "$path.tmp" && find "$path.tmp" -exec sync {} + && rm -rf "$path" && mv "$path.tmp" "$path" || return
    elif ! cmp -s "$was" "$path" || [ "$(stat -c %a:%u:%g "$was")" != "$(stat -c %a:%u:%g "$path")" ]; then
      cp -a "$was" "$path.tmp" && sync "$path.tmp" && mv -f "$path.tmp" "$path" || return
    fi
  done
  sync "${1%/*}"
}
op_start() { start "$5"; } # - - - - UNIT
start() { # UNIT OPTION...
  systemctl reset-failed "$1" 2>/dev/null
  systemctl start "${@:2}" "$1" 2>/dev/null && return
  fail "systemctl start $1 failed; its journal ends:
$(journalctl -q -o cat --no-pager -n 12 -u "$1")"
}
op_stop() { # - - - - UNIT HOW: off, which takes a while as well, at the same time
  local off=
  [ "$6" != off ] || { op_disable "$@" & off=$!; }
  case $(systemctl is-active "$5") in
  active | activating | reloading | deactivating) systemctl stop "$5" ;;
  esac && { [ -z "$off" ] || wait "$off"; }
}
op_enable() { systemctl -q is-enabled "$5" 2>/dev/null || systemctl -q enable "$5"; } # enabling takes 0.3 s
op_reset() { # - - - - UNIT: enabled and active as it was
  local unit active enabled
  op_boot "$@" || return
  while read -r unit active enabled; do
    [ "$unit" = "$5" ] || continue
    case $active in
    active) systemctl is-active -q "$unit" || op_start '' '' '' '' "$unit" || return ;;
    *) op_stop '' '' '' '' "$unit" || return ;;
    esac
  done <"$E/units"
}
op_boot() { # - - - - UNIT: enabled as it was
  local unit active enabled
  while read -r unit active enabled; do
    [ "$unit" = "$5" ] || continue
    case $enabled in enabled | disabled) [ "$(systemctl is-enabled "$unit")" = "$enabled" ] || systemctl -q "${enabled%d}" "$unit" || return ;; esac
  done <"$E/units"
}
op_again() { # - - - - UNIT STEP: pacemaker goes down with corosync, and comes back after it
  local paced=
  [ -z "$6" ] || grep -q " do $6$" "$E/log" || return 0
  ! systemctl -q is-active pacemaker || paced=pacemaker
  [ -z "$paced" ] || op_stop '' '' '' '' pacemaker || return
  op_stop "$@" && op_start "$@" || return
  [ -z "$paced" ] || op_start '' '' '' '' pacemaker
}
op_revive() { grep -q "^$5 active " "$E/units" || return 0; systemctl -q is-active "$5" || op_start '' '' '' '' "$5"; }
op_disable() { case $(systemctl is-enabled "$5" 2>/dev/null) in enabled*) systemctl -q disable "$5" ;; esac; }
op_reload() {
  local out try
  for try in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
    out=$(corosync-cfgtool -R 2>&1)
    case $out in
    *TRY_AGAIN* | *"rror 6"*) sleep 0.5 ;; # a membership is forming
    *"Could not"* | *"Errors in app"* | *ERROR*) fail "corosync-cfgtool -R: $out"; return ;;
    *) return 0 ;;
    esac
  done
  fail "corosync-cfgtool -R: $out"
}
op_expect() { # - - - - - - N
  local out
  out=$(corosync-quorumtool -e "$7" 2>&1) || fail "corosync-quorumtool -e $7: $out"
}
op_votes() { corosync-quorumtool -n "$7" -v "$6" >/dev/null 2>&1 || return 0; } # - - - - - VOTES NODEID
op_forget() { # - - - - - NAME NODEID: by both, since the name may be another one to pacemaker
  local out end=$((SECONDS + 30))
  until # crm_node says that all is well also when one of the daemons was not told
    out=$({ timeout 10 crm_node --force -R "$6" && timeout 10 crm_node --force -R "$7"; } 2>&1) &&
      out=$(timeout 10 crm_node -l 2>&1) && [[ $'\n'$out != *$'\n'"$7 "* ]] &&
      out=$(timeout 10 cibadmin -Q -o nodes 2>&1) && [[ $out != *"<node id=\"$7\""* ]]
  do
    [ "$SECONDS" -lt "$end" ] || { fail "pacemaker has not forgotten $6 (crm_node --force -R $6): ${out##*$'\n'}"; return; }
    sleep 0.5
  done
}
op_online() { # pacemaker has joined that of the others, as far as its tools are there to tell
  local id end=$((SECONDS + 60))
  command -v cibadmin >/dev/null || return 0
  id=$(corosync-cmapctl -g runtime.votequorum.this_node_id) id=${id##* }
  until timeout 5 cibadmin -Q --xpath "//node_state[@id='$id'][@join='member']" >/dev/null 2>&1; do
    [ "$SECONDS" -lt "$end" ] || { fail "pacemaker has not joined the others after a minute; its journal ends:
$(journalctl -q -o cat --no-pager -n 12 -u pacemaker)"; return; }
    sleep 0.2
  done
}
op_rekey() { # what runs counts, not what is installed; without it the reload fails (totemknet.c)
  local pid
  pid=$(systemctl show -p MainPID --value corosync)
  [ "${pid:-0}" = 0 ] || grep -qa knet_handle_crypto_use_config "/proc/$pid/exe" ||
    fail "corosync was built without what it takes to change the key while it runs"
}
op_quiet() { # - - - - UNIT: HA's. Ended another way it leaves the watchdog running, which then resets the node
  case $(systemctl is-active "$5") in active | activating | reloading | deactivating) ;; *) return 0 ;; esac
  timeout 300 systemctl stop "$5" || fail "$5 has not ended after five minutes; what it waits for: ha-manager status"
}
op_rouse() { # - - - - UNIT: one that is still on its way down comes up when it is
  grep -q "^$5 active " "$E/units" || return 0
  timeout 60 systemctl start "$5" || [ $? = 124 ] || fail "systemctl start $5 failed: HA does not watch over the guests there"
}
op_disarmed() { # the marker goes a moment after the last client
  local end=$((SECONDS + 5))
  while [ -e /run/watchdog-mux.active ]; do
    [ "$SECONDS" -lt "$end" ] || { fail "its watchdog is held, and would reset it (journalctl -u watchdog-mux)"; return; }
    sleep 0.2
  done
}
writable() { # pmxcfs is there, and has quorum or needs none (PVE's tools ask the same)
  local mode
  mode=$(timeout -s KILL 5 stat -c %a /etc/pve/local 2>/dev/null) && [ $((0$mode & 0200)) != 0 ] && mounted
}
op_writable() { # it looks for corosync every six seconds, and then catches up
  local end=$((SECONDS + 30))
  until writable; do
    [ "$SECONDS" -lt "$end" ] || { fail "/etc/pve cannot be written after half a minute (systemctl status pve-cluster)"; return; }
    sleep 0.2
  done
}
mounted() { grep -q ' /etc/pve fuse' /proc/mounts; }
op_publish() { # - BLOB BASE: pmxcfs leaves a file alone that the node has already, and does not reload then
  if ! is /etc/corosync/corosync.conf "$2"; then # it would be put on all nodes, and reloaded
    [ -z "$3" ] || fail "it does not have what is to be put into /etc/pve"
    return
  fi
  op_share /etc/pve/corosync.conf "$2" "$3"
}
op_purge() { # - - - - - NODE
  local own
  own=$(uname -n)
  [ "${own%%.*}" != "$6" ] || { fail "it is $6 itself"; return; }
  persist '' purge "/etc/pve/nodes/$6" "$J/purged/${E##*/}"
}
purge() { # DIRECTORY KEPT
  local name=${1##*/}
  writable || { fail "$1 cannot be removed: pmxcfs has no quorum, or does not run"; return; }
  [ -e "$1" ] || return 0
  ! compgen -G "$1/qemu-server/*" >/dev/null && ! compgen -G "$1/lxc/*" >/dev/null || { fail "there are guests in $1: move them first"; return 77; }
  [ -e "$2/$name" ] || { mkdir -p "$2" && rm -rf "$2/$name.tmp" && cp -a "$1" "$2/$name.tmp" && find "$2/$name.tmp" -depth -exec sync {} + && mv "$2/$name.tmp" "$2/$name" && sync "$2"; } || return
  # What is a guest's stays, also one that has come meanwhile: then it is not empty.
  find "$1" ! -type d ! -path "$1/qemu-server/*" ! -path "$1/lxc/*" -delete && find "$1" -depth -type d -exec rmdir {} +
}
op_share() { # PATH BLOB BASE - - NAME
  local name=${1#/etc/pve/} lock
  case $name in ha/*) lock=domain-ha ;; *) lock=file-${name//[.\/]/_} ;; esac # as Proxmox VE's own tools (Cluster.pm, cfs_lock); known_hosts and authorized_keys they change without (Setup.pm)
  lock=/etc/pve/priv/lock/$lock
  persist "$lock" publish "$1" "$lock" "$2" "$3" "$6"
}
persist() { # LOCK COMMAND...: until /etc/pve takes it
  local out code end=$((SECONDS + 30)) late=$((SECONDS + 130))
  while :; do # without quorum EACCES, after it was lost EPERM, soon after it is back EBUSY; ENOENT in between
    out=$("${@:2}" 2>&1)
    code=$?
    case $code in 0 | 77) break ;; esac
    [ "$SECONDS" -lt "$end" ] || [ -d "$1" ] && [ "$SECONDS" -lt "$late" ] || break # one that was left behind ends by itself
    sleep 0.3
  done
  [ $code = 0 ] || { fail "$out"; return $code; }
}
publish() { # FILE LOCK BLOB BASE HOW
  local code
  mounted || { fail "pmxcfs does not run"; return; }
  is "$1" "$3" && return
  [ "$5" != back ] || [ "$sum" = "$4" ] || return 0 # it was not put there, or others have changed it since
  writable || { fail "$1 cannot be written: pmxcfs has no quorum, or does not run"; return; }
  [ -d "${2%/*}" ] || mkdir -p "${2%/*}" || return
  mkdir "$2" 2>/dev/null || {
    touch -d @0 "$2" 2>/dev/null # which asks pmxcfs to end it if it has expired
    fail "another change of Proxmox VE's holds $2"
    return
  }
  digest "$1"
  unchanged "$1" "$4" && { [ "$sum" = absent ] || cat "$1" >"$1.bak"; } &&
    if [ "$3" = absent ]; then rm -f "$1"; else cat "$E/blobs/$3" >"$1.clusterctl" && mv -f "$1.clusterctl" "$1"; fi
  code=$?
  rmdir "$2"
  [ $code = 0 ] || return $code
  is "$1" "$3" || fail "$1 is not what was written"
}
database() { # FROM TO: pmxcfs's database, with what was written to it last
  local name
  for name in config.db config.db-wal config.db-shm; do
    rm -f "$2/$name" && { [ ! -e "$1/$name" ] || { cp -a "$1/$name" "$2" && sync "$2/$name"; }; } || return
  done
  sync "$2"
}
op_pmxcfs() { # - BLOB - - - HOW; its unit wants that of corosync, which is not started here
  local dir=/var/lib/pve-cluster saved=/var/lib/pve-cluster/backup/clusterctl-${E##*/} end out
  [ "$6" != back ] || [ -e "$saved" ] || return 0 # it was not begun
  pmxcfs_ends || return
  [ -e "$saved" ] || { install -d -m 0700 "${saved%/*}" "$saved.tmp" && database "$dir" "$saved.tmp" && mv "$saved.tmp" "$saved" && sync "${saved%/*}"; } || return
  case $6 in
  off) return 0 ;;
  back) database "$saved" "$dir" ;;
  fresh) rm -f "$dir/config.db" "$dir/config.db-wal" "$dir/config.db-shm" ;;
  alone) by_itself rm -f /etc/pve/corosync.conf ;;
  keep) by_itself cp "$E/blobs/$2" /etc/pve/corosync.conf ;;
  esac || return
  timeout 30 systemctl start --job-mode=ignore-dependencies pve-cluster 2>/dev/null || op_stop '' '' '' '' pve-cluster # it may hang
  start pve-cluster --job-mode=ignore-dependencies || return
  case $6 in back | alone) return 0 ;; esac
  end=$((SECONDS + 60)) # it looks for corosync every six seconds
  until writable && is /etc/pve/corosync.conf "$2"; do
    [ "$SECONDS" -lt "$end" ] || { fail "pmxcfs has not joined after a minute; its journal ends:
$(journalctl -q -o cat --no-pager -n 12 -u pve-cluster)"; return; }
    sleep 0.2
  done
  command -v pvecm >/dev/null || return 0
  out=$(cd / && timeout 100 pvecm updatecerts --force 2>&1) || { fail "pvecm updatecerts: ${out##*$'\n'}"; return; }
  systemctl -q try-reload-or-restart pvedaemon pveproxy 2>/dev/null || :
}
pmxcfs_ends() { # also those that were started without its unit, but none in a container
  local each name pids=() pid end=$((SECONDS + 20))
  op_stop '' '' '' '' pve-cluster || return
  for each in /proc/[0-9]*; do
    { read -r name <"$each/comm"; } 2>/dev/null && [ "$name" = pmxcfs ] && [ "$each/ns/pid" -ef /proc/self/ns/pid ] || continue
    [[ $(readlink "$each/exe") != */pmxcfs* ]] || pids+=("${each##*/}")
  done
  for pid in "${pids[@]}"; do
    kill "$pid"
    while kill -0 "$pid" 2>/dev/null; do # it may hang on its way out; its unit kills it as soon
      [ "$SECONDS" -lt $((end - 10)) ] || kill -KILL "$pid" 2>/dev/null
      [ "$SECONDS" -lt "$end" ] || { fail "pmxcfs (process $pid) does not end"; return; }
      sleep 0.1
    done
  done
}
by_itself() { # COMMAND...: what it does to /etc/pve is done to the database of a node without a cluster
  local code try
  for try in 1 2 3 ''; do # it may hang; when it is told to end, it ends what it has begun
    [ -n "$try" ] || { fail "pmxcfs -l does not start"; return; }
    timeout -k 5 20 pmxcfs -l && break
  done
  "$@"
  code=$?
  pmxcfs_ends && return $code
}
cmap() { local out; out=$(corosync-cmapctl "$@" 2>/dev/null); echo "${out##* }"; }
settled() { # knet may stall for ten seconds when the key changes while it looks for the MTU, as after each reload
  local end=$((SECONDS + 6))
  while [ "$SECONDS" -lt "$end" ] && journalctl -q -u corosync -o cat --since -3s 2>/dev/null | grep -q 'Config reload requested'; do sleep 0.3; done
}
op_reread() { # KEY HASH - - - - NODEID
  local file now own alone tokens late=$((SECONDS + 8)) end=$((SECONDS + 60))
  systemctl -q is-active corosync || return 0
  alone=$(corosync-quorumtool -s 2>/dev/null | grep -c '^Nodes: *1$')
  file=$(sed -n 's/^[[:space:]]*config_version:[[:space:]]*\([0-9]*\)[[:space:]]*$/\1/p' /etc/corosync/corosync.conf | tail -n 1)
  own=$(cmap -g runtime.votequorum.this_node_id)
  until now=$(cmap -g totem.config_version) && [ "$now" = "$file" ] && [ -z "$(cmap -g config.reload_error_message)" ]; do
    [ $SECONDS -lt $end ] || { fail "it runs config_version $now, not $file"; return; }
    # In a partition of its own, or after a reload that failed, it asks by itself.
    if [ "$own" = "$7" ] || [ $SECONDS -ge $late ]; then settled && op_reload || return; else sleep 0.1; fi
  done
  is "$1" "$2" || { fail "$1 was changed by someone else meanwhile"; return 77; }
  # Members that do not hear each other lose the token at once. It comes round
  # again when those that do have come together: until then all look as before.
  [ "$alone" = 0 ] || return 0
  tokens=$(cmap -m stats -g stats.srp.orf_token_rx) end=$((SECONDS + 30))
  until [ $(($(cmap -m stats -g stats.srp.orf_token_rx) - ${tokens:-0})) -ge 2 ]; do
    [ $SECONDS -lt $end ] || { fail "no token has come round since it took the key: some member has another one"; return; }
    sleep 0.1
  done
}
answers() { # ADDRESS: a ping, or TCP port 22, which may be closed
  local out
  ping -q -c 3 -i 0.2 -W 2 "$1" && return
  out=$(timeout 2 bash -c ': <"/dev/tcp/$0/22"' "$1" 2>&1) || [[ $out == *refused* ]]
} >/dev/null 2>&1 </dev/null
op_reach() { # - - - - - ADDRESSES
  local addr silent
  silent=$(for addr in $6; do answers "$addr" || echo "$addr" & done; wait)
  [ -z "$silent" ] || fail "no answer from" $silent "(ping, TCP port 22): check the network, and what a firewall lets through"
}
op_owe() { # PATH HASH - - - NAMES: who left with the key
  local hash names name
  { read -r hash && read -r names; } <"$1" 2>/dev/null
  [ "$hash" = "$2" ] || names=
  for name in $6; do
    case " $names " in *" $name "*) ;; *) names="$names $name" ;; esac
  done
  printf '%s\n%s\n' "$2" "${names# }" >"$1.tmp" && sync "$1.tmp" && mv -f "$1.tmp" "$1" && sync "$J"
}
op_ids() { # - - - - - NAME N VERSION: none of them is used again
  local name highest version
  { read -r name; read -r highest; read -r version; } <"$J/ids" 2>/dev/null
  [ "$name" = "$6" ] || highest=0 version=0
  set -- "$6" "$(($7 > ${highest:-0} ? $7 : highest))" "$(($8 > ${version:-0} ? $8 : version))"
  [ "$2 $3" = "$highest $version" ] && return
  printf '%s\n' "$@" >"$J/ids.tmp" && sync "$J/ids.tmp" && mv -f "$J/ids.tmp" "$J/ids" && sync "$J"
}
