package corosyncconf_test

import (
	"bytes"
	"fmt"
	"testing"

	"clusterctl/corosyncconf"
)

// largest is a configuration of as many nodes and links as corosync takes.
func largest(tb testing.TB) []byte {
	tb.Helper()
	var b bytes.Buffer
	b.WriteString("# the largest\ntotem {\n\tversion: 2\n\tcluster_name: large\n\tconfig_version: 7\n\ttransport: knet\n}\n\nnodelist {\n")
	for id := 1; id <= 384; id++ {
		fmt.Fprintf(&b, "\tnode {\n\t\tname: node%d\n\t\tnodeid: %d\n\t\tquorum_votes: 1\n", id, id)
		for link := range 8 {
			fmt.Fprintf(&b, "\t\tring%d_addr: 10.%d.%d.%d\n", link, link, id/250, id%250+1)
		}
		b.WriteString("\t}\n")
	}
	b.WriteString("}\n\nquorum {\n\tprovider: corosync_votequorum\n}\n\nlogging {\n\tto_syslog: yes\n}\n")
	if _, err := corosyncconf.Parse("", b.Bytes()); err != nil {
		tb.Fatal(err)
	}
	return b.Bytes()
}

// BenchmarkParseAndPrint is to cost at most four times BenchmarkScanLines.
func BenchmarkParseAndPrint(b *testing.B) {
	text := largest(b)
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		f, err := corosyncconf.Parse("", text)
		if err != nil {
			b.Fatal(err)
		}
		if len(f.Bytes()) != len(text) {
			b.Fatal("bytes were lost")
		}
	}
}

// BenchmarkScanLines splits the same bytes into lines and copies them.
func BenchmarkScanLines(b *testing.B) {
	text := largest(b)
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		out := make([]byte, 0, len(text))
		for line := range bytes.Lines(text) {
			out = append(out, line...)
		}
		if len(out) != len(text) {
			b.Fatal("bytes were lost")
		}
	}
}

func BenchmarkCheck(b *testing.B) {
	f, err := corosyncconf.Parse("", largest(b))
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		f.Check(corosyncconf.Target{Release: corosyncconf.V31})
	}
}
