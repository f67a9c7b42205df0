// Package cli is what a command line tool shows and asks: streams, colour,
// tables, JSON, progress, questions and exit codes. It knows no domain type.
package cli
