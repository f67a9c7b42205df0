# Reads what a node is. Arguments: the units to show, then names to resolve.
put clock 0 "${EPOCHREALTIME:-$(date +%s.%6N)}"
begin corosync corosync -v
begin addrs ip -o addr show up
begin disk df -Pk /etc /var/lib
# systemd takes its time for each unit, also for those that there are not: of them there is no file, and no process.
present=() absent=
for unit in $1; do
  for dir in /{etc,run,usr/lib,lib,usr/local/lib}/systemd/system /run/systemd/{generator,generator.late,transient} /sys/fs/cgroup/{,systemd/}system.slice; do
    if [ -e "$dir/$unit" ] || [ -L "$dir/$unit" ]; then present+=("$unit"); continue 2; fi
  done
  absent+=$'\n\n'"Id=$unit"$'\n'LoadState=not-found$'\n'ActiveState=inactive
done
[ ${#present[@]} = 0 ] || begin units systemctl show -p Id,LoadState,ActiveState,UnitFileState "${present[@]}"
if [ -r /proc/sys/kernel/hostname ]; then file hostname /proc/sys/kernel/hostname; else run hostname uname -n; fi
put uid 0 "$EUID"
file machine /etc/machine-id
file os /etc/os-release
[ -d /run/systemd/system ]; put systemd $? ''
# Asks pmxcfs; when it has not answered once, it is not asked again. Sets out and code.
hangs=
pmxcfs() {
  out='' code=137
  [ -z "$hangs" ] || return
  out=$(timeout -s KILL 3 "$@" 2>/dev/null </dev/null; echo ".$?") # to its last byte
  code=${out##*.} out=${out%.*}
  [ "$code" != 137 ] || hangs=1
}
if [ -x /usr/bin/pmxcfs ]; then # a node of Proxmox VE; what hangs there is not waited for
  if grep -q ' /etc/pve fuse' /proc/mounts; then
    put pve 0 mounted
    pmxcfs stat -c %a /etc/pve/local
    if [ "$code" = 0 ]; then
      put pvelocal 0 "$out"
      pmxcfs sha256sum /etc/pve/corosync.conf; put pvehash "$code" "$out"
      pmxcfs cat /etc/pve/corosync.conf; put pveconf "$code" "$out"
      pmxcfs cat /etc/pve/datacenter.cfg; put pvedatacenter "$code" "$out"
      node=$(uname -n)
      pmxcfs cat "/etc/pve/nodes/${node%%.*}/lrm_status"; put pvelrm "$code" "$out"
      pmxcfs cat /etc/pve/.members; put pvemembers "$code" "$out"
      pmxcfs ls "/etc/pve/nodes/${node%%.*}/qemu-server" "/etc/pve/nodes/${node%%.*}/lxc"; put pveguests "$code" "$out"
      # What may name a node that leaves: see cluster/purge.go.
      pmxcfs bash -c "$(declare -f put file)"'
        shopt -s nullglob dotglob
        for name in storage.cfg replication.cfg jobs.cfg ha/groups.cfg ha/rules.cfg ha/resources.cfg priv/known_hosts priv/authorized_keys; do
          file "pve:$name" "/etc/pve/$name"
        done
        cd /etc/pve/nodes && put pvehomes 0 "$(printf "%s\n" */ */{qemu-server,lxc}/*)"'
      [ "$code" != 0 ] || printf '%s' "$out"
      file pvekey /root/.ssh/id_rsa.pub
    fi
  else
    put pve 0 ''
  fi
  [ -e /run/watchdog-mux.active ]; put watchdog $? ''
else
  put pve 1 ''
fi
out=
[ ${#present[@]} = 0 ] || told units
units=$out$absent
put units 0 "$units"
running=' '
while IFS='=' read -r key value; do
  case $key in
  Id) unit=${value%.service} ;;
  ActiveState) [ "$value" = active ] && running+="$unit " ;;
  esac
done <<<"$units"
active() { [[ $running == *" $1 "* ]]; }
# Names as ring addresses, with those that were asked for.
while read -r key value; do
  case $key:$value in
  ring[0-7]_addr::*[!0-9.:a-fA-F]*) set -- "$@" "${value//[[:space:]]/}" ;;
  esac
done 2>/dev/null </etc/corosync/corosync.conf
resolve "${@:2}"
file ids /var/lib/clusterctl/ids
file keyowed /var/lib/clusterctl/keyowed
if active pacemaker; then
  run stonith timeout 3 crm_attribute -t crm_config -n stonith-enabled -q -d true
  run maintenance timeout 3 crm_attribute -t crm_config -n maintenance-mode -q -d false
fi
set -- /var/lib/pacemaker/cib/*
[ -e "$1" ]; put cib $? ''
set -- /sys/kernel/dlm/*/
[ -d "$1" ]; put dlm $? ''
if [ -s /var/lib/clusterctl/holder ] && ! flock -s -n /var/lib/clusterctl/lock true 2>/dev/null; then
  file holder /var/lib/clusterctl/holder
fi
tell corosync
tell addrs
tell disk
file conf /etc/corosync/corosync.conf
