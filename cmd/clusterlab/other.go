//go:build !linux

// Command clusterlab boots real cluster nodes on one Linux machine, to try clusterctl with and to test it.
package main

import (
	"fmt"
	"os"
)

func main() {
	fmt.Fprintln(os.Stderr, "clusterlab: the lab is made of Linux namespaces and control groups: run it on Linux")
	os.Exit(1)
}
