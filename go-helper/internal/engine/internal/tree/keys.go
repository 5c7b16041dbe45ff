package tree

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// Parsers disagree about a key that an object has twice, and Go's takes one for another that differs in case alone. Where a
// manifest says what it consists of, both are refused: somebody else would pull other content than what was copied.

var (
	manifestKeys   = []string{"schemaVersion", "mediaType", "config", "layers", "blobs", "manifests", "fsLayers", "subject"}
	descriptorKeys = []string{"mediaType", "digest", "size", "urls", "platform", "data"}
)

// checkKeys looks at the keys of a manifest, which is valid JSON, and of what it lists.
func checkKeys(body []byte) error {
	return eachMember(body, manifestKeys, func(key string, value json.RawMessage) error {
		switch key {
		case "config", "subject":
			return eachMember(value, descriptorKeys, nil)
		case "layers", "blobs", "manifests":
			var entries []json.RawMessage
			if err := json.Unmarshal(value, &entries); err != nil {
				return err
			}
			for _, entry := range entries {
				if err := eachMember(entry, descriptorKeys, nil); err != nil {
					return fmt.Errorf("%w, in its %s", err, key)
				}
			}
		}
		return nil
	})
}

// eachMember visits the members of an object, whose keys among the known ones must be spelled as they are and come once.
func eachMember(object []byte, known []string, visit func(key string, value json.RawMessage) error) error {
	decoder := json.NewDecoder(bytes.NewReader(object))
	if start, err := decoder.Token(); err != nil || start != json.Delim('{') {
		return nil // null, or what its own reader refuses
	}
	seen := make([]bool, len(known))
	for decoder.More() {
		token, err := decoder.Token()
		if err != nil {
			return err
		}
		key, ok := token.(string)
		if !ok {
			return errors.New("is not valid JSON: a key is no string")
		}
		for i, name := range known {
			switch {
			case !strings.EqualFold(key, name):
			case key != name:
				return fmt.Errorf("has a key %q, which one client takes for %q and another doesn't: refused", key, name)
			case seen[i]:
				return fmt.Errorf("has the key %q twice, of which one client takes the first and another the last: refused", key)
			default:
				seen[i] = true
			}
		}
		var value json.RawMessage
		if err := decoder.Decode(&value); err != nil {
			return err
		}
		if visit == nil {
			continue
		}
		if err := visit(key, value); err != nil {
			return err
		}
	}
	return nil
}
