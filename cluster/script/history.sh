# Reads what the journal keeps of operations that are over: each one's entry,
# and the corosync.conf that the node had when it began.
for dir in /var/lib/clusterctl/done/*/; do
  id=${dir%/}
  id=${id##*/}
  [ "$id" = '*' ] && continue
  file "op:$id" "$dir/op.json"
  [ ! -f "$dir/before/etc/corosync/corosync.conf" ] || file "conf:$id" "$dir/before/etc/corosync/corosync.conf"
done
put end 0 ''
