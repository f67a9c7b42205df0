package cluster

// UserFiles reads the files of a directory such as uidgid.d.
var UserFiles = userFiles
