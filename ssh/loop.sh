# The remote end of a Shell: answers the requests that frame.go writes, until it reads end of file or has heard nothing
# for $_silence seconds. Names that begin with _ are its own; scripts run in it (mode s) must leave them alone.
export LC_ALL=C PATH="/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin${PATH:+:$PATH}"
unset BASH_ENV CDPATH TMOUT
_dir=$(mktemp -d /run/clusterctl.XXXXXXXXXX 2>/dev/null) || _dir=$(mktemp -d /tmp/clusterctl.XXXXXXXXXX) || exit
trap 'rm -rf "$_dir"' EXIT

_eval() {
	local _script=$1
	shift
	eval "$_script"
}

# _load FILE sets _size to its size and, when it is short and holds no NUL, _text to its content and _whole to yes:
# most output is like that and then costs no process.
_load() {
	_whole=yes _text='' _size=0
	[[ -s $1 ]] || return 0
	if IFS= read -r -d '' -n 65536 _text <"$1"; then
		_whole='' _size=$(stat -c %s "$1")
	else
		_size=${#_text}
	fi
}

# _answer ID MODE LIMIT SIZE INPUT LENGTH...: SIZE bytes of script and arguments follow, cut by the LENGTHs, and then
# INPUT bytes for the script's standard input.
_answer() {
	local _id=$1 _mode=$2 _limit=$3 _bytes=$4 _input=$5 _text _args=() _at=0 _n _status
	local _in=/dev/null _out=$_dir/$1.out _err=$_dir/$1.err
	shift 5
	IFS= read -r -t "$_silence" -N "$_bytes" _text || exit
	for _n; do
		_args+=("${_text:_at:_n}")
		((_at += _n))
	done
	if ((_input)); then
		# A file and not a pipe, for a script may leave its input unread. A slow line has a second for each 16 KiB.
		_in=$_dir/$_id.in
		timeout -k 5 $((_silence + _input / 16384)) head -c "$_input" >"$_in" || exit
		[[ $(stat -c %s "$_in") = "$_input" ]] || exit # the client has gone: never start with half of the input
	fi
	if [[ $_mode = s ]]; then
		_eval "${_args[@]}" <"$_in" >"$_out" 2>"$_err"
	else
		timeout -k 5 "$_limit" bash -c "${_args[0]}" bash "${_args[@]:1}" <"$_in" >"$_out" 2>"$_err"
	fi
	_status=$?
	_load "$_out"
	local _out_size=$_size _out_text=$_text _out_whole=$_whole
	_load "$_err"
	printf 'a %s %s %s %s\n' "$_id" "$_status" "$_out_size" "$_size"
	# head and not cat, for something that the script left running may still be writing.
	if [[ $_out_whole ]]; then printf %s "$_out_text"; else head -c "$_out_size" "$_out"; fi
	if [[ $_whole ]]; then printf %s "$_text"; else head -c "$_size" "$_err"; fi
	rm -f "$_dir/$_id".*
	echo # by now the answer is on its way, and this comes in a packet of its own: the client keeps the last one in memory
}

printf '\n%s\n' "$_marker"
while IFS=' ' read -r -t "$_silence" -a _request; do
	if [[ ${_request[0]} = r ]]; then _answer "${_request[@]:1}"; fi # anything else is a heartbeat
done
