package tree

import (
	"bytes"
	"encoding/json"
)

// replaceManifests gives body with only those entries of its "manifests" for which keep says so, and
// every other byte as it was. It reports the number of entries left.
func replaceManifests(body []byte, keep func(i int) bool) ([]byte, int, error) {
	start, end, entries, err := locateManifests(body)
	if err != nil {
		return nil, 0, err
	}
	var kept [][]byte
	for i, entry := range entries {
		if keep(i) {
			kept = append(kept, entry)
		}
	}
	out := make([]byte, 0, len(body))
	out = append(out, body[:start]...)
	out = append(out, '[')
	out = append(out, bytes.Join(kept, []byte(","))...)
	out = append(out, ']')
	return append(out, body[end:]...), len(kept), nil
}

// AppendManifests gives an index with more entries, and every other byte as it was.
func AppendManifests(body []byte, more []json.RawMessage) ([]byte, error) {
	start, end, entries, err := locateManifests(body)
	if err != nil {
		return nil, err
	}
	var added [][]byte
	for _, entry := range more {
		added = append(added, entry)
	}
	out := bytes.Clone(body[:start])
	if len(entries) == 0 {
		out = append(out, '[')
	} else {
		out = append(out, bytes.TrimRight(body[start:end-1], " \t\r\n")...)
		out = append(out, ',')
	}
	out = append(out, bytes.Join(added, []byte(","))...)
	out = append(out, ']')
	return append(out, body[end:]...), nil
}

// locateManifests finds the bytes of the top-level "manifests" array and of its entries.
func locateManifests(body []byte) (start, end int64, entries [][]byte, err error) {
	dec := json.NewDecoder(bytes.NewReader(body))
	if t, err := dec.Token(); err != nil || t != json.Delim('{') {
		return 0, 0, nil, errUnknownManifest
	}
	for dec.More() {
		key, err := dec.Token()
		if err != nil {
			return 0, 0, nil, err
		}
		var value json.RawMessage
		if err := dec.Decode(&value); err != nil {
			return 0, 0, nil, err
		}
		if key != "manifests" {
			continue
		}
		end = dec.InputOffset()
		start = end - int64(len(value))
		var raw []json.RawMessage
		if err := json.Unmarshal(value, &raw); err != nil {
			return 0, 0, nil, err
		}
		for _, r := range raw {
			entries = append(entries, r)
		}
		return start, end, entries, nil
	}
	return 0, 0, nil, errUnknownManifest
}
