// Package registry speaks the OCI distribution API: one [Client] a registry host, with that host's
// connections, tokens, request window, pauses, retries and counters. It knows nothing of image sets.
//
// Small requests (everything without a blob's body) are retried inside the client. Bodies are not: a
// broken [Client.OpenBlob] reader or [Upload.Put] comes back to the caller, who knows what was
// already read and sent, as an error that [Temporary] classifies.
package registry
