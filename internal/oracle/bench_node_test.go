//go:build linux && node

package main

import (
	"bufio"
	"bytes"
	"fmt"
	"strings"
	"testing"

	"clusterctl/corosyncconf"
)

// largest is a configuration of as many nodes and links as corosync takes.
func largest(b *testing.B) []byte {
	b.Helper()
	f := corosyncconf.New("")
	for path, value := range map[string]string{
		"totem.version": "2", "totem.cluster_name": "large", "totem.config_version": "7", "totem.transport": "knet", "quorum.provider": "corosync_votequorum",
	} {
		p, err := corosyncconf.ParsePath(path)
		if err == nil {
			err = f.Set(p, value)
		}
		if err != nil {
			b.Fatal(err)
		}
	}
	for id := 1; id <= 384; id++ {
		n := corosyncconf.Node{Name: fmt.Sprintf("node%d", id), ID: uint32(id), Votes: 1, Addrs: map[int]string{}}
		for link := range 8 {
			n.Addrs[link] = fmt.Sprintf("10.%d.%d.%d", link, id/250, id%250+1)
		}
		if err := f.AddNode(n); err != nil {
			b.Fatal(err)
		}
	}
	return f.Bytes()
}

// BenchmarkLargest has, in one run and of one file, a copy of it line by line, a
// plain scan that keeps its lines, as a parser has to, parsing and printing it, and
// corosync -t of each Debian. Parsing and printing is to cost at most 4 times the
// scan, and corosync at least 20 times that.
func BenchmarkLargest(b *testing.B) {
	text := largest(b)
	per := map[string]float64{}
	run := func(name string, do func(b *testing.B)) {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(text)))
			b.ReportAllocs()
			do(b)
			per[name] = float64(b.Elapsed().Nanoseconds()) / float64(b.N)
		})
	}
	run("copy lines", func(b *testing.B) {
		for b.Loop() {
			out := make([]byte, 0, len(text))
			for line := range bytes.Lines(text) {
				out = append(out, line...)
			}
			if len(out) != len(text) {
				b.Fatal("bytes were lost")
			}
		}
	})
	run("scan lines", func(b *testing.B) {
		for b.Loop() {
			var lines []string
			for s := bufio.NewScanner(bytes.NewReader(text)); s.Scan(); {
				lines = append(lines, s.Text())
			}
			if len(strings.Join(lines, "\n"))+1 != len(text) {
				b.Fatal("bytes were lost")
			}
		}
	})
	run("parse and print", func(b *testing.B) {
		for b.Loop() {
			f, err := corosyncconf.Parse("", text)
			if err != nil {
				b.Fatal(err)
			}
			if !bytes.Equal(f.Bytes(), text) {
				b.Fatal("bytes were lost")
			}
		}
	})
	ours := per["parse and print"]
	b.Logf("parse and print takes %.1f times as long as scan lines, and %.1f times as long as copy lines", ours/per["scan lines"], ours/per["copy lines"])
	if ours > 4*per["scan lines"] {
		b.Error("that is more than 4 times")
	}
	for _, suite := range suites {
		b.Run("corosync -t of "+suite, func(b *testing.B) {
			const times = 20 // in one sandbox, which takes longer to make than they do
			took, asked := 0.0, 0.0
			for range b.N {
				r, err := compare(b.Context(), job{Suite: suite, Samples: "../../testdata/conf", Time: text, N: times})
				if err != nil {
					b.Fatal(err)
				}
				took += float64(r.Took.Nanoseconds())
				asked += times
			}
			one := took / asked
			b.ReportMetric(one, "ns/op")
			b.Logf("corosync -t takes %.0f times as long as parse and print", one/ours)
			if one < 20*ours {
				b.Error("that is less than 20 times")
			}
		})
	}
}
