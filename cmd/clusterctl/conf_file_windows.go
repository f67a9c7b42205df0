package main

import "os"

// keepOwner does nothing: a new file has the permissions of its folder.
func keepOwner(*os.File, os.FileInfo) error { return nil }

// syncDir does nothing: a folder cannot be flushed by itself.
func syncDir(string) error { return nil }
