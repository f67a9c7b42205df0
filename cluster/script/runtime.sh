# Reads what corosync says, if it runs. That it answers says so, too: systemd, of which the question takes as long as
# another tool, is asked only where it does not. With facts this is known already.
quorum=
[[ -v running ]] && ! active corosync || quorum=$(timeout 3 corosync-quorumtool -s 2>/dev/null </dev/null)
if [ -n "$quorum" ] || active corosync; then
  put quorum 0 "$quorum"
  links=$(timeout 3 corosync-cfgtool -s 2>/dev/null </dev/null)
  put links $? "$links"
  cmap=$(timeout 3 corosync-cmapctl 2>/dev/null </dev/null)
  status=$?
  # Of hundreds of nodes it has thousands of lines; nobody reads the counters and addresses.
  ((${#cmap} < 50000)) || cmap=$(grep -Ev '^runtime\.(services|connections)\.|^runtime\.members\.[0-9]+\.(ip|join_count) ' <<<"$cmap")
  put cmap $status "$cmap"
  # What corosync-cfgtool before 3.1.1 says of nodes is guessed.
  [[ $links != "Printing link"* ]] || put stats 0 "$(timeout 3 corosync-cmapctl -m stats stats.knet. 2>/dev/null </dev/null | grep -F .connected)"
fi
put end 0 ''
