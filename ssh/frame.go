package ssh

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"
)

// The protocol between Shell and loop.sh. Requests are lines of words, and then bytes that the line counts:
//
//	r ID MODE LIMIT SIZE INPUT LENGTH...   ID counts up; MODE is c (child) or s (in the shell itself); LIMIT is in seconds
//	<SIZE bytes>                           script and arguments, whose lengths are the LENGTHs
//	<INPUT bytes>                          the script's standard input
//
// Any other line is a heartbeat. Heartbeats are only sent while no request is unanswered: head(1), which takes the
// input off the shell's standard input, may then read ahead without harm. An answer is
//
//	a ID STATUS SIZE SIZE
//	<the bytes of standard output> <the bytes of standard error>
//
// and empty lines come between answers.

const heartbeat = "h\n"

// maxArgument is the length of the longest argument that Linux passes on to a process, MAX_ARG_STRLEN, less its NUL.
const maxArgument = 128<<10 - 1

// maxOutput bounds what a command may answer on either stream.
const maxOutput = 256 << 20

// input is how many bytes of standard input c has.
func (c Command) input() int {
	n := 0
	for _, piece := range c.Stdin {
		n += len(piece)
	}
	return n
}

// requestHead returns the first line of the frame for c.
func requestHead(id uint64, c Command) (string, error) {
	mode := "c"
	if c.InShell {
		mode = "s"
	}
	var lengths strings.Builder
	size := 0
	for i := range 1 + len(c.Args) {
		part := c.part(i)
		if strings.ContainsRune(part, 0) {
			return "", errors.New("script or argument holds a NUL")
		}
		if len(part) > maxArgument {
			return "", fmt.Errorf("script or argument of %d bytes: %d is the limit; put it in Stdin", len(part), maxArgument)
		}
		fmt.Fprintf(&lengths, " %d", len(part))
		size += len(part)
	}
	if size == 0 {
		return "", errors.New("empty script")
	}
	limit := strconv.FormatFloat(c.limit().Seconds(), 'f', -1, 64)
	return fmt.Sprintf("r %d %s %s %d %d%s\n", id, mode, limit, size, c.input(), lengths.String()), nil
}

// part is the script, and then an argument.
func (c Command) part(i int) string {
	if i == 0 {
		return c.Script
	}
	return c.Args[i-1]
}

// maxWrite is how much is written at once: a connection keeps buffers of that size for as long as it lives.
const maxWrite = 1 << 10

// writeRequest writes the frame for c, whose first line is head. It has no more than maxWrite of it in memory: hundreds of
// nodes may be sent the same long script at once.
func writeRequest(w io.Writer, head string, c Command) error {
	b := bufio.NewWriterSize(w, maxWrite)
	writeText(b, head)
	for i := range 1 + len(c.Args) {
		writeText(b, c.part(i))
	}
	for _, piece := range c.Stdin {
		for part := range slices.Chunk(piece, maxWrite) {
			_, _ = b.Write(part)
		}
	}
	return b.Flush()
}

// writeText writes s to b, which is maxWrite long, in pieces.
func writeText(b *bufio.Writer, s string) {
	for len(s) > 0 {
		n, _ := b.WriteString(s[:min(len(s), maxWrite)]) // an error stays for Flush
		if n == 0 {
			return
		}
		s = s[n:]
	}
}

// answer is one reply frame.
type answer struct {
	id     uint64
	result Result
}

// readAnswer reads one reply; begun is called once its first line is read. The error is io.EOF only if there was
// nothing to read.
func readAnswer(r *bufio.Reader, begun func()) (answer, error) {
	line, err := r.ReadSlice('\n')
	for err == nil && len(line) == 1 {
		line, err = r.ReadSlice('\n')
	}
	if err != nil {
		if len(line) > 0 && errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return answer{}, err
	}
	begun()
	fields := strings.Fields(string(line))
	var numbers [4]uint64
	ok := len(fields) == 5 && fields[0] == "a"
	for i := 0; ok && i < len(numbers); i++ {
		numbers[i], err = strconv.ParseUint(fields[i+1], 10, 63)
		ok = err == nil
	}
	if !ok || numbers[1] > 255 {
		return answer{}, fmt.Errorf("not an answer: %q", line)
	}
	if numbers[2] > maxOutput || numbers[3] > maxOutput {
		return answer{}, fmt.Errorf("%d bytes of output: more than %d", max(numbers[2], numbers[3]), maxOutput)
	}
	a := answer{id: numbers[0], result: Result{Status: int(numbers[1])}}
	if a.result.Stdout, err = readBytes(r, int64(numbers[2])); err == nil {
		a.result.Stderr, err = readBytes(r, int64(numbers[3]))
	}
	return a, err
}

// readBytes reads n bytes, and does not believe in n before they have come.
func readBytes(r io.Reader, n int64) ([]byte, error) {
	var b bytes.Buffer
	b.Grow(int(min(n, 256<<10)) + bytes.MinRead) // else it is copied again and again as it grows
	if _, err := io.CopyN(&b, r, n); errors.Is(err, io.EOF) {
		return nil, io.ErrUnexpectedEOF
	} else if err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// limit is how long the command may run.
func (c Command) limit() time.Duration {
	if c.Timeout <= 0 {
		return time.Minute
	}
	return c.Timeout
}
