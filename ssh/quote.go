package ssh

import "strings"

// Quote joins args into one line that a POSIX shell splits into exactly args again. Words of letters, digits and the
// bytes _@%+=:,./- stay as they are; anything else is put in single quotes, so the line is also right for a person to
// read and paste.
func Quote(args ...string) string {
	quoted := make([]string, len(args))
	for i, arg := range args {
		if arg == "" || strings.ContainsFunc(arg, needsQuote) {
			arg = "'" + strings.ReplaceAll(arg, "'", `'\''`) + "'"
		}
		quoted[i] = arg
	}
	return strings.Join(quoted, " ")
}

func needsQuote(r rune) bool {
	return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune("_@%+=:,./-", r)
}
