package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"

	"clusterctl/cluster"
	"clusterctl/internal/cli"
	"clusterctl/internal/sim"
)

// fixing runs doctor --fix on a simulated cluster of four, of which n3 is
// stopped and n2 has another file, and returns what it says in the end.
func fixing(t *testing.T, answers string, plant func(*sim.World)) (w *sim.World, code int, said string) {
	t.Helper()
	w = sim.New("n1", "n2", "n3", "n4")
	text := "totem {\n version: 2\n cluster_name: prod\n config_version: 1\n transport: knet\n crypto_cipher: aes256\n crypto_hash: sha256\n}\nnodelist {\n"
	for i := range 4 {
		text += fmt.Sprintf(" node {\n  name: n%d\n  nodeid: %d\n  ring0_addr: 10.0.0.%d\n }\n", i+1, i+1, i+1)
	}
	text += "}\nquorum {\n provider: corosync_votequorum\n}\n"
	if err := w.Form(text, strings.Repeat("k", cluster.MinKeySize), "n1", "n2", "n3", "n4"); err != nil {
		t.Fatal(err)
	}
	w.Machine("n2").SetFile(cluster.ConfPath, "# mine\n"+text)
	w.Machine("n3").Stop("corosync")
	w.Settle()
	plant(w)

	out, err := os.Create(filepath.Join(t.TempDir(), "out"))
	if err != nil {
		t.Fatal(err)
	}
	a := &app{output: "table", env: Env{Out: out, Err: out}, quiet: true}
	a.streams = cli.NewStreams(nil, out, out, func(string) (string, bool) { return "", false }, "never")
	a.streams.In, a.streams.InTTY, a.streams.ErrTTY = iotest.OneByteReader(strings.NewReader(answers)), true, true
	admin := w.Admin(1)
	err = a.doctorFix(t.Context(), func(ctx context.Context) (*cluster.Connector, *cluster.View, map[string]cluster.Node, error) {
		c := &cluster.Connector{Closely: true, Connect: admin.Connect}
		v, nodes, err := c.Look(ctx, []cluster.PlanNode{{Name: "n1"}})
		return c, v, nodes, err
	})
	text2, rerr := os.ReadFile(out.Name())
	if rerr != nil {
		t.Fatal(rerr)
	}
	if _, news := err.(badNews); err != nil && !news {
		t.Errorf("it ended with: %v", err)
	}
	return w, exitCode(t.Context(), err), string(text2)
}

// What the admin does not want mended is left, and the rest is asked for too.
func TestDoctorFixGoesOnAfterANo(t *testing.T) {
	w, code, said := fixing(t, "n\ny\n", func(*sim.World) {})
	if !strings.HasPrefix(w.Machine("n2").File(cluster.ConfPath), "# mine") {
		t.Error("the file was changed against the admin's will")
	}
	if !w.Machine("n3").Active("corosync") {
		t.Error("the other cause was not mended")
	}
	if code != cli.ExitBad || strings.Count(said, "[config-drift]") != 2 || !strings.Contains(said, "warning: not done, as you wished") {
		t.Errorf("exit code %d, said\n%s", code, said)
	}
}

// What cannot be mended now is told, and the rest is mended.
func TestDoctorFixGoesOnAfterARefusal(t *testing.T) {
	w, code, said := fixing(t, "y\ny\n", func(w *sim.World) { w.Machine("n4").Deaf = true })
	if !w.Machine("n3").Active("corosync") {
		t.Error("the other cause was not mended")
	}
	if code != cli.ExitBad || strings.Count(said, "[config-drift]") != 2 || !strings.Contains(said, "warning: n4: a member, but it cannot be reached") {
		t.Errorf("exit code %d, said\n%s", code, said)
	}
}
