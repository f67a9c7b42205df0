# Reads what a plan relies on of a node, beside what corosync says, and its journal.
[ -e /etc/corosync/authkey ]; put key $? ''
run hashes sha256sum /etc/corosync/corosync.conf /etc/corosync/authkey
for dir in /var/lib/clusterctl/op/*/; do
  id=${dir%/}
  id=${id##*/}
  [ "$id" = '*' ] && continue
  file "op:$id" "$dir/op.json"
  file "log:$id" "$dir/log"
done
# How the last operations ended, for nodes that missed the end.
ended=
for dir in /var/lib/clusterctl/done/*/; do
  [ -s "$dir/log" ] || continue
  mapfile -t lines <"$dir/log"
  id=${dir%/}
  ended+="${id##*/} ${lines[-1]##* }"$'\n'
done
put ended 0 "$ended"
