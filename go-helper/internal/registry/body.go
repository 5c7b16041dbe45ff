package registry

import (
	"encoding/json"
	"encoding/xml"
	"regexp"
	"strings"

	"docker-mirror/go-helper/internal/auth"
)

// maxSaid is how much is told of a body that isn't the specification's.
const maxSaid = 200

// parseCodes reads an error answer's body, without secrets that were sent; what isn't the spec's JSON is no code.
func parseCodes(body []byte, secrets []string) []Code {
	var parsed struct {
		Errors []struct {
			Code    string          `json:"code"`
			Message string          `json:"message"`
			Detail  json.RawMessage `json:"detail"`
		} `json:"errors"`
	}
	if json.Unmarshal(body, &parsed) != nil {
		return nil
	}
	codes := make([]Code, 0, len(parsed.Errors))
	for _, e := range parsed.Errors {
		message := e.Message
		if saysNothing(e.Message) { // distribution's "unknown error": what it is stands in the detail
			message = strings.TrimSpace(message + " " + detail(e.Detail))
		}
		codes = append(codes, Code{Code: clip(auth.Redact(e.Code, secrets...), 64), Message: clip(auth.Redact(message, secrets...), 512)})
	}
	return codes
}

func saysNothing(message string) bool {
	return message == "" || strings.EqualFold(message, "unknown error")
}

// detail is one of an error's details in words, as far as that can be read.
func detail(raw json.RawMessage) string {
	text := strings.TrimSpace(string(raw))
	switch text {
	case "", "null", "{}", "[]", `""`:
		return ""
	}
	return "(" + strings.Trim(text, `"`) + ")"
}

var (
	invisible  = regexp.MustCompile(`(?is)<(script|style|head)\b.*?</(script|style|head)>|<!--.*?-->`)
	title      = regexp.MustCompile(`(?is)<title>(.*?)</title>`)
	markup     = regexp.MustCompile(`(?s)<[^>]*>`)
	whitespace = regexp.MustCompile(`\s+`)
)

// said is what a body says that isn't the specification's JSON: a proxy's page, an object store's XML, another API's JSON.
func said(body []byte, secrets []string) string {
	text := strings.TrimSpace(string(body))
	var store struct {
		Code    string `xml:"Code"`
		Message string `xml:"Message"`
	}
	switch {
	case text == "":
		return ""
	case strings.HasPrefix(text, "{") || strings.HasPrefix(text, "["):
		text = jsonMessage(body)
	case strings.HasPrefix(text, "<") && xml.Unmarshal(body, &store) == nil && store.Code != "":
		text = store.Code + ": " + store.Message // what else is in there may be a signature
	case strings.HasPrefix(text, "<"):
		if m := title.FindStringSubmatch(text); m != nil && strings.TrimSpace(m[1]) != "" {
			text = m[1]
		} else {
			text = markup.ReplaceAllString(invisible.ReplaceAllString(text, " "), " ")
		}
	}
	text = whitespace.ReplaceAllString(auth.Redact(text, secrets...), " ")
	return clip(strings.TrimSpace(text), maxSaid)
}

// jsonMessage finds the words in the JSON of other APIs.
func jsonMessage(body []byte) string {
	var fields map[string]json.RawMessage
	if json.Unmarshal(body, &fields) != nil {
		return string(body)
	}
	for _, name := range []string{"message", "error_description", "detail", "details", "error", "title", "reason"} {
		var text string
		if json.Unmarshal(fields[name], &text) == nil && text != "" {
			return text
		}
		if nested := fields[name]; len(nested) > 0 && nested[0] == '{' {
			return jsonMessage(nested)
		}
	}
	if _, ours := fields["errors"]; ours && len(parseCodes(body, nil)) > 0 {
		return ""
	}
	return string(body)
}

// full are the words of a disk that is full, as operating systems and stores have them.
var full = regexp.MustCompile(`(?i)no space left|not enough space|insufficient storage|disk (is )?full|disk quota exceeded|\benospc\b`)

// StorageFull tells whether the registry says that it has no room left, which no other try mends.
func (e *Error) StorageFull() bool {
	if e.Status == 507 { // RFC 4918, 11.5
		return true
	}
	if e.Status < 500 {
		return false
	}
	for _, c := range e.Codes {
		if full.MatchString(c.Message) {
			return true
		}
	}
	return full.MatchString(e.Said)
}
