//go:build linux

package main

import (
	"bufio"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// serve is what ssh/loop.sh is on a machine: it reads its program, of which it
// needs but the marker, and then answers requests until nobody asks any more.
func (n *node) serve(_ string, stdin io.Reader, stdout, _ io.Writer) uint32 {
	r := bufio.NewReader(stdin)
	line, err := r.ReadString('\n')
	if err != nil {
		return 1
	}
	program, err := take(r, strings.TrimSpace(line))
	if err != nil {
		return 1
	}
	marker, _, _ := strings.Cut(program, "\n")
	fmt.Fprintf(stdout, "\n%s\n", strings.TrimPrefix(marker, "_marker="))
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			return 0
		}
		words := strings.Fields(line)
		if len(words) < 7 || words[0] != "r" {
			continue // a heartbeat
		}
		body, err := take(r, words[4])
		if err != nil {
			return 1
		}
		input, err := take(r, words[5])
		if err != nil {
			return 1
		}
		var args []string
		for _, word := range words[6:] {
			size, err := strconv.Atoi(word)
			if err != nil || size > len(body) {
				return 1
			}
			args, body = append(args, body[:size]), body[size:]
		}
		out, status := n.run(args[0], args[1:], input)
		if _, err := io.WriteString(stdout, fmt.Sprintf("a %s %d %d 0\n", words[1], status, len(out))+out); err != nil {
			return 1
		}
		if _, err := io.WriteString(stdout, "\n"); err != nil {
			return 1
		}
	}
}

// take reads as many bytes as size says.
func take(r io.Reader, size string) (string, error) {
	n, err := strconv.Atoi(size)
	if err != nil {
		return "", err
	}
	b := make([]byte, n)
	_, err = io.ReadFull(r, b)
	return string(b), err
}
