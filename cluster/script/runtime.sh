# Reads what corosync says, if it runs.
if active corosync; then
  run quorum timeout 3 corosync-quorumtool -s
  links=$(timeout 3 corosync-cfgtool -s 2>/dev/null </dev/null)
  put links $? "$links"
  run cmap timeout 3 corosync-cmapctl
  # What corosync-cfgtool before 3.1.1 says of nodes is guessed.
  [[ $links != "Printing link"* ]] || put stats 0 "$(timeout 3 corosync-cmapctl -m stats stats.knet. 2>/dev/null </dev/null | grep -F .connected)"
fi
put end 0 ''
