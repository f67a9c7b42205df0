# Reads what a node is. Arguments: the units to show, then names to resolve.
run clock date +%s.%6N
run uname uname -nm
put uid 0 "$(id -u)"
file machine /etc/machine-id
file os /etc/os-release
[ -d /run/systemd/system ]; put systemd $? ''
[ -d /etc/pve ] && grep -q ' /etc/pve fuse' /proc/mounts; put pve $? ''
run corosync corosync -v
file conf /etc/corosync/corosync.conf
[ -e /etc/corosync/authkey ]; put key $? ''
run hashes sha256sum /etc/corosync/corosync.conf /etc/corosync/authkey
run units systemctl show -p Id,LoadState,ActiveState,UnitFileState $1
run addrs ip -o addr show up
run disk df -Pk /etc /var/lib
for name in "${@:2}"; do run "resolve:$name" getent ahosts "$name"; done

file ids /var/lib/clusterctl/ids
if systemctl -q is-active pacemaker 2>/dev/null; then
  run stonith crm_attribute -t crm_config -n stonith-enabled -q -d true
  run maintenance crm_attribute -t crm_config -n maintenance-mode -q -d false
fi

for dir in /var/lib/clusterctl/op/*/; do
  id=${dir%/}
  id=${id##*/}
  [ "$id" = '*' ] && continue
  file "op:$id" "$dir/op.json"
  file "log:$id" "$dir/log"
done
if [ -s /var/lib/clusterctl/holder ] && ! flock -n /var/lib/clusterctl/lock true 2>/dev/null; then
  file holder /var/lib/clusterctl/holder
fi
