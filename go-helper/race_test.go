//go:build race

package main

// buildFlags: where the tests look for races, the program under test does so too.
var buildFlags = []string{"-race"}
