package ssh

import (
	"bufio"
	"context"
	"fmt"
)

// Program is a script that runs on a host with its standard input and output at this end. It is not ended by this end's
// silence, as a Shell is: it must see to it that it ends with its input.
type Program struct {
	p *process
	r *bufio.Reader
}

func newProgram(ctx context.Context, p *process, script string, args []string, sudo bool) (*Program, error) {
	r, err := startProgram(ctx, p, fmt.Sprintf("set -- %s\nprintf '\\n%%s\\n' \"$_marker\"\n%s", Quote(args...), script), sudo)
	if err != nil {
		return nil, err
	}
	return &Program{p, r}, nil
}

// Read reads what the program prints.
func (p *Program) Read(b []byte) (int, error) { return p.r.Read(b) }

// Write gives the program something to read.
func (p *Program) Write(b []byte) (int, error) { return p.p.stdin.Write(b) }

// Stderr is the end of what it has written to standard error so far, a few KiB.
func (p *Program) Stderr() string { return p.p.stderr.String() }

// Close ends the program's input, and lets go of it, running or not, at once.
func (p *Program) Close() error {
	p.p.stdin.Close()
	p.p.close()
	return nil
}
