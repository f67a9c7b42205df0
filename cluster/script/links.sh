# Reads what knet measures on each link.
if active corosync; then
  run peers timeout 3 corosync-cfgtool -n
  run stats timeout 3 corosync-cmapctl -m stats stats.knet.
fi
put end 0 ''
