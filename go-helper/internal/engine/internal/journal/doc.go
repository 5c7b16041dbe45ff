// Package journal keeps in files what a run found out that spares later ones requests or keeps them from a wrong answer. Each line is
// written as it becomes true, so that a killed run leaves what it knew. All of it is advice: registries are asked, and what can't be
// read or written stops nothing.
package journal
