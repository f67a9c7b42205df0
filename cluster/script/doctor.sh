# Reads what a node shows of trouble; doctor runs it after facts.sh.
# Where corosync runs, this would only put a line into its log.
active corosync || put test 0 "$(timeout 10 corosync -t 2>&1 </dev/null || echo "exit status $?")"
run service systemctl show -p Result,ExecMainCode,ExecMainStatus,MainPID corosync.service
read -r pid < <(systemctl show -p MainPID --value corosync.service 2>/dev/null)
[ "${pid:-0}" = 0 ] || { file process "/proc/$pid/status"; run age ps -o etimes= -p "$pid"; }
run log journalctl -q -o short-unix --no-pager -n 300 -u corosync.service
[ ! -x /usr/bin/pmxcfs ] || run pvelog journalctl -q -o short-unix --no-pager -n 60 -u pve-cluster.service
run ifaces ip -o link show
run ifaddrs ip -o addr show
filter
run keystat stat -Lc '%a %U %s %Y' /etc/corosync/authkey
# Names of nodes, by which corosync finds its own, and ring addresses that
# facts.sh takes for numbers.
set --
while read -r key value; do
  value=${value%%[[:space:]]*}
  case $key:$value in
  *::*:*) ;;
  name::*[!0-9.]* | ring[0-7]_addr::*[!0-9.]*)
    set -- "$@" "$value" ;;
  esac
done 2>/dev/null </etc/corosync/corosync.conf
resolve "$@"
# What corosync.conf was before, newest first.
kept=0
for conf in /etc/corosync/corosync.conf.bak $(ls -1dr /var/lib/clusterctl/done/*/before/etc/corosync/corosync.conf 2>/dev/null | head -n 5); do
  [ ! -f "$conf" ] || file "kept:$((kept++))" "$conf"
done
