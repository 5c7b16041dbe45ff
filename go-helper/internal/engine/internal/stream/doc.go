// Package stream moves one blob: a download that feeds one or several uploads, each through a [window], going on where connections
// break. What it can't mend within the patience of its registry client it leaves to the caller as an [Outcome].
package stream
