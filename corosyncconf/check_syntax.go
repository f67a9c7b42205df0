package corosyncconf

// Codes of what the parser refuses.
const (
	CodeSyntax   Code = "syntax"
	CodeKeyName  Code = "key-name"
	CodeBadValue Code = "bad-value"
)

var syntaxCodes = []CodeInfo{
	{CodeSyntax, Bad, "a line that corosync's parser cannot make out, or braces that do not match"},
	{CodeKeyName, Bad, "a key or section whose name corosync's parser refuses"},
	{CodeBadValue, Bad, "a value that is none of those, or not of the kind, that the key takes"},
}

// syntax reports what the parser refuses.
func (c *checker) syntax() {
	_, err := Parse(c.file.name, c.file.Bytes())
	errs, _ := err.(ErrorList)
	for _, e := range errs {
		c.findings = append(c.findings, Finding{
			Code: e.Code, Severity: Bad, Line: e.Line, Col: e.Col, RefusedBy: ByParser, Message: e.Msg, Remedy: e.Code.remedy(),
		})
	}
}

func (c Code) remedy() string {
	switch c {
	case CodeKeyName:
		return "use only letters, digits and . _ / : - in names, and keys that the section takes"
	case CodeBadValue:
		return "give the key a value that it takes"
	}
	return "write each line as \"name {\", \"key: value\", \"}\" or \"# comment\", and close every section"
}
