# Reads what corosync says, if it runs.
if systemctl -q is-active corosync 2>/dev/null; then
  run quorum corosync-quorumtool -s
  run links corosync-cfgtool -s
  run cmap corosync-cmapctl
fi
put end 0 ''
