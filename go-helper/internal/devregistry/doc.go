// Package devregistry is a small OCI registry for the quickstart, the tests and the benchmark.
//
// It keeps to the OCI distribution specification 1.1 and, where that leaves a choice, to what the
// distribution project's registry does; one conformance suite runs over both. What a client could get wrong is
// checked: blobs are linked to a repository (another repository doesn't see them until they are mounted or
// uploaded there), a manifest is refused while something that it refers to is missing, an upload goes on only at
// the offset and with the Location of the last answer.
//
// Dialect makes it behave like other services, Faults makes it fail; both can be switched while it runs.
// Log tells what was asked of it.
package devregistry
