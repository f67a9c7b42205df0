package corosyncconf

import "slices"

// Code names a kind of finding. Codes are part of the contract with scripts:
// they are only ever added. Each stands, with what it means, in the file of
// the checks that find it.
type Code string

// CodeInfo is one row of CodeTable.
type CodeInfo struct {
	Code     Code
	Severity Severity // where corosync accepts the file; a Bad finding if it does not
	Meaning  string
}

// CodeTable lists every Code.
func CodeTable() []CodeInfo { return slices.Clone(codeTable) }

var codeTable = slices.Concat(syntaxCodes, keyCodes, totemCodes, loggingCodes, startCodes, quorumCodes, nodeCodes, lifeCodes, textCodes, pveCodes, findingCodes)

func (c Code) severity() Severity {
	for _, info := range codeTable {
		if info.Code == c {
			return info.Severity
		}
	}
	return Bad
}
