package cluster_test

import (
	"testing"
	"time"

	"clusterctl/cluster"
)

// The second look does not read the file, only its hash: a file that is not there is
// no other one than before.
func TestWhatAPlanReliesOnIsReadWithoutTheFile(t *testing.T) {
	hash := cluster.Hash([]byte("totem {\n}\n"))
	for _, tt := range []struct{ name, conf, hashes, want string }{
		{"none", section("conf", 1, ""), section("hashes", 1, ""), cluster.Absent},
		{"a file", section("conf", 0, "totem {\n}\n"), section("hashes", 0, hash+"  "+cluster.ConfPath+"\n"), hash},
	} {
		for _, read := range []string{tt.conf, ""} {
			f, err := cluster.ParseFacts("n1", []byte(read+tt.hashes+section("key", 1, "")+section("end", 0, "")), time.Time{}, time.Time{})
			if err != nil {
				t.Fatal(err)
			}
			if f.Conf.Hash != tt.want {
				t.Errorf("%s, read: %t: hash %s, not %s", tt.name, read != "", f.Conf.Hash, tt.want)
			}
		}
	}
}
