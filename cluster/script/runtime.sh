# Reads what corosync says, if it runs.
if systemctl -q is-active corosync 2>/dev/null; then
  run quorum timeout 3 corosync-quorumtool -s
  run links timeout 3 corosync-cfgtool -s
  run cmap timeout 3 corosync-cmapctl
fi
put end 0 ''
