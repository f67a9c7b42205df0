package main

import (
	"os"
	"testing"
)

// asTool makes this test binary behave as clusterctl, so that tests run the
// very code they are built with.
const asTool = "CLUSTERCTL_TEST_AS_TOOL"

func TestMain(m *testing.M) {
	if os.Getenv(asTool) != "" {
		os.Exit(mainExit())
	}
	os.Exit(m.Run())
}
