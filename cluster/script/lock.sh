# Takes the node's lock for as long as the shell that evaluates this lives, and
# whatever it has started. The argument is who asks, as JSON without its end.
umask 077
if ! mkdir -p /var/lib/clusterctl/op /var/lib/clusterctl/done; then
  (exit 1)
elif ! : 9<>/var/lib/clusterctl/lock; then
  (exit 1)
else
  exec 9<>/var/lib/clusterctl/lock
  if flock -w 1 9; then # a status may be probing it at this moment
    TZ=UTC0 printf '%s,"since":"%(%FT%TZ)T"}\n' "$1" -1 >/var/lib/clusterctl/holder
  else
    exec 9<&-
    cat /var/lib/clusterctl/holder
    (exit 75)
  fi
fi
