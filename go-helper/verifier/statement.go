package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// predicateSignature is the type of the statements that cosign makes for a plain signature.
const predicateSignature = "https://sigstore.dev/cosign/sign/v1"

const maxSubjects = 1024

// statement is an in-toto statement, v0.1 or v1.
type statement struct {
	Subject []struct {
		Digest map[string]string `json:"digest"`
	} `json:"subject"`
	PredicateType string `json:"predicateType"`
}

// wanted tells whether a statement is of the kind that is asked for: of a type of attestations, or a signature.
func (s statement) wanted(predicate string) bool {
	if predicate == "" {
		predicate = predicateSignature
	}
	return s.PredicateType == predicate
}

func (s statement) speaksOf(subject string) error {
	algorithm, hex, _ := strings.Cut(subject, ":")
	if len(s.Subject) > maxSubjects {
		return fmt.Errorf("it has more than %d subjects", maxSubjects)
	}
	for _, one := range s.Subject {
		if hex != "" && one.Digest[algorithm] == hex {
			return nil
		}
	}
	if len(s.Subject) == 0 {
		return errors.New("it has no subject")
	}
	return fmt.Errorf("it speaks of %s", orNone(s.Subject[0].Digest[algorithm]))
}

// holds tells which condition a statement doesn't meet.
func (c condition) holds(ps *patterns, statement any) error {
	value, err := at(statement, c.Pointer)
	if err != nil {
		return fmt.Errorf("%s: %w, and %s is wanted", c.Pointer, err, c.Value.Text)
	}
	text, isText := value.(string)
	if !isText {
		encoded, err := json.Marshal(value)
		if err != nil {
			return err
		}
		text = string(encoded)
	}
	ok, err := ps.matches(c.Value, text)
	if err != nil {
		return err
	}
	if !ok {
		return fmt.Errorf("%s is %s, and %s is wanted", c.Pointer, orNone(clip(text)), c.Value.Text)
	}
	return nil
}

func clip(text string) string {
	if len(text) > 200 {
		return text[:200] + "…"
	}
	return text
}

// at follows a JSON Pointer (RFC 6901).
func at(value any, pointer string) (any, error) {
	if pointer == "" {
		return value, nil
	}
	if pointer[0] != '/' {
		return nil, errors.New("is no JSON pointer")
	}
	unescape := strings.NewReplacer("~1", "/", "~0", "~")
	for _, token := range strings.Split(pointer[1:], "/") {
		switch v := value.(type) {
		case map[string]any:
			member, there := v[unescape.Replace(token)]
			if !there {
				return nil, errors.New("is not there")
			}
			value = member
		case []any:
			i, err := strconv.Atoi(token)
			if err != nil || i < 0 || i >= len(v) || strconv.Itoa(i) != token {
				return nil, errors.New("is not there")
			}
			value = v[i]
		default:
			return nil, errors.New("is not there")
		}
	}
	return value, nil
}
