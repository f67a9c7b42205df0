package lab_test

import (
	"testing"
	"testing/fstest"

	"clusterctl/internal/lab"
)

func TestMirrorIsTheMachinesOwnDebianArchive(t *testing.T) {
	const (
		list    = "etc/apt/sources.list"
		stanzas = "etc/apt/sources.list.d/debian.sources"
	)
	for name, test := range map[string]struct {
		files map[string]string
		want  string // "" is none
	}{
		"one-line format": {
			files: map[string]string{list: "# main\ndeb http://mirror.example/debian/ bookworm main contrib # local\n"},
			want:  "http://mirror.example/debian/",
		},
		"one-line format with options": {
			files: map[string]string{list: "deb [ arch=amd64 signed-by=/usr/share/keyrings/debian-archive-keyring.gpg ] https://mirror.example/debian trixie main\n"},
			want:  "https://mirror.example/debian",
		},
		"deb822 format with a comment in a stanza and a continued field": {
			files: map[string]string{stanzas: "Types: deb deb-src\n# a snapshot\nURIs: http://mirror.example/debian\nSuites:\n bookworm\n bookworm-updates\nComponents: main\nSigned-By: /usr/share/keyrings/debian-archive-keyring.gpg\n"},
			want:  "http://mirror.example/debian",
		},
		"security archive before the main one": {
			files: map[string]string{stanzas: "Types: deb\nURIs: http://mirror.example/debian-security\nSuites: bookworm-security\nComponents: main\n\nTypes: deb\nURIs: http://mirror.example/debian\nSuites: bookworm\nComponents: main\n"},
			want:  "http://mirror.example/debian",
		},
		"disabled stanza": {
			files: map[string]string{stanzas: "Types: deb\nURIs: http://old.example/debian\nSuites: bookworm\nComponents: main\nEnabled: no\n\nTypes: deb\nURIs: http://mirror.example/debian\nSuites: bookworm\nComponents: main\n"},
			want:  "http://mirror.example/debian",
		},
		"sources only": {
			files: map[string]string{list: "deb-src http://mirror.example/debian bookworm main\n"},
		},
		"installation medium": {
			files: map[string]string{list: "deb cdrom:[Debian 12]/ bookworm main\ndeb http://mirror.example/debian bookworm main\n"},
			want:  "http://mirror.example/debian",
		},
		"another vendor's archive with Debian's suite and component": {
			files: map[string]string{
				"etc/apt/sources.list.d/a.list": "deb [signed-by=/usr/share/keyrings/vendor.gpg] https://apt.vendor.example bookworm main\n",
				stanzas:                         "Types: deb\nURIs: http://mirror.example/debian\nSuites: bookworm\nComponents: main\n",
			},
			want: "http://mirror.example/debian",
		},
		"another vendor's archive without a key of its own": {
			files: map[string]string{list: "deb http://apt.vendor.example bookworm main\ndeb http://mirror.example/debian bookworm main\n"},
			want:  "http://mirror.example/debian",
		},
		"mirror in a directory of another name": {
			files: map[string]string{list: "deb http://packages.example/os-12 bookworm main\n"},
			want:  "http://packages.example/os-12",
		},
		"cloud image's mirror list": {
			files: map[string]string{
				stanzas:                       "Types: deb\nURIs: mirror+file:///etc/apt/mirrors/debian.list\nSuites: bookworm bookworm-updates\nComponents: main\n",
				"etc/apt/mirrors/debian.list": "# first\nhttps://mirror.example/debian\tpriority:1\n",
			},
			want: "https://mirror.example/debian",
		},
		"not Debian": {
			files: map[string]string{list: "deb http://archive.example/ubuntu noble main\n"},
		},
		"no apt": {},
	} {
		t.Run(name, func(t *testing.T) {
			root := fstest.MapFS{}
			for file, text := range test.files {
				root[file] = &fstest.MapFile{Data: []byte(text)}
			}
			got, err := lab.Mirror(root)
			if got != test.want || (err != nil) != (test.want == "") {
				t.Errorf("got %q, %v; want %q", got, err, test.want)
			}
		})
	}
}
