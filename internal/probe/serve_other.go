//go:build !linux

package probe

import (
	"context"
	"errors"
	"io"
)

// Serve is an agent, which the nodes of a cluster run: they have Linux.
func Serve(context.Context, io.Reader, io.Writer) error {
	return errors.New("this runs on Linux only")
}
