# Reads what corosync says, if it runs. That it answers says so, too: systemd, of which the question takes as long as
# another tool, is asked only where it does not. With facts this is known already.
if [[ ! -v running ]] || active corosync; then
  pids=() began=$SECONDS
  begin quorum corosync-quorumtool -si # looking names up takes the square of their number, and may ask DNS
  begin links corosync-cfgtool -s
  # Not all keys, since each takes its time: those that corosync.conf sets, what became of them, and the members. The last
  # ones are always there: without totem.version it has not said all.
  begin cmap corosync-cmapctl config. nodelist. quorum. logging. system. resources. nozzle. \
    runtime.config. runtime.members. runtime.totem. runtime.votequorum. totem.
  # What takes longer is ended; it may have said half of it.
  limit=5
  exec {watch}> >(
    exec >/dev/null 2>&1
    read -r -t "$limit"
    [ $? -le 128 ] || for pid in "${pids[@]}"; do
      read -r name <"/proc/$pid/comm" && [[ $name == corosync-* ]] && kill "$pid"
    done
  )
  heard() { told "$1"; ((SECONDS - began < limit)) || out=; }
  heard quorum; quorum=$out
  heard links; links=$out
  heard cmap; cmap=$out
  exec {watch}>&-
  if [ -n "$quorum" ] || active corosync; then
    put quorum 0 "$quorum"
    put links 0 "$links"
    # Of hundreds of nodes it has thousands of lines; nobody reads the counters and addresses.
    ((${#cmap} < 50000)) || cmap=$(grep -Ev '^runtime\.members\.[0-9]+\.(ip|join_count) ' <<<"$cmap")
    put cmap 0 "$cmap"
    # What corosync-cfgtool before 3.1.1 says of nodes is guessed.
    [[ $links != "Printing link"* ]] || put stats 0 "$(timeout 3 corosync-cmapctl -m stats stats.knet. 2>/dev/null </dev/null | grep -F .connected)"
  fi
fi
put end 0 ''
