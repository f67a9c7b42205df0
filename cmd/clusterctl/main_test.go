package main

import (
	"os"
	"testing"
)

// asTool makes this test binary behave as clusterctl, so that tests run the
// very code they are built with.
const asTool = "CLUSTERCTL_TEST_AS_TOOL"

func TestMain(m *testing.M) {
	// Check starts it on nodes as `clusterctl probe`, and with nothing in its environment.
	if os.Getenv(asTool) != "" || len(os.Args) == 2 && os.Args[1] == "probe" {
		os.Exit(mainExit())
	}
	os.Exit(m.Run())
}
