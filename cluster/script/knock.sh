# Sends a packet to UDP ports of other nodes, with nothing but bash. Arguments, for each: a key, an address, a port, and another
# port. Where nobody listens on a port the other kernel says so, and thereby that the packet got there. Answers:
# there; no KIND: it did not get there, for a reason that is certain; silent.
export LC_ALL=C

# try ADDRESS PORT sends a packet and prints what comes back within 0.3 s, or what is wrong.
try() {
  { exec 3<>"/dev/udp/$1/$2" && printf x >&3 && IFS= read -r -t 0.3 -N 1 -u 3; } 2>&1
}

knock() {
  local key=$1 address=$2 port=$3 other=$4 text neighbour
  for _ in 1 2; do # the first packet may get lost while the hardware address is asked for
    text=$(try "$address" "$port")
    case $text in
    *'Connection refused'*) echo "$key there"; return ;;
    *'Operation not permitted'*) echo "$key no firewall"; return ;;
    *' host'* | *unreachable*) echo "$key no route"; return ;;
    esac
  done
  neighbour=$(ip -o neigh show to "$address" 2>/dev/null)
  case $neighbour in
  *INCOMPLETE* | *FAILED*) echo "$key no neighbour"; return ;;
  esac
  # A kernel answers a sender about once a second. Only if it does so for another port, and never for this one, is it sure that
  # packets to this one are held back; else it may be the answers that are.
  for _ in 1 2; do
    sleep 1.1
    if [[ -n $(try "$address" "$port") || $(try "$address" "$other") != *'Connection refused'* ]]; then
      echo "$key silent"
      return
    fi
  done
  echo "$key no port"
}

# Each child writes a line, at once; records of two lines would get into each other.
while read -r key answer; do
  put "$key" 0 "$answer"
done < <(
  while (($#)); do
    knock "$1" "$2" "$3" "$4" &
    shift 4
  done
  wait
)
put end 0 ''
