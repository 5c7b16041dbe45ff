package mount

import "testing"

func TestSharing(t *testing.T) {
	tests := map[string]struct {
		found []bool
		want  Sharing
	}{
		"nothing seen":                      {nil, Perhaps},
		"crane's registry":                  {[]bool{true, true}, Shared},
		"blobs linked a repository":         {[]bool{false}, Separate},
		"one that was there before the run": {[]bool{true, false, true}, Separate},
	}
	for name, tt := range tests {
		sharing := Perhaps
		for _, found := range tt.found {
			sharing = sharing.After(found)
		}
		if sharing != tt.want {
			t.Errorf("%s: %s, want %s", name, sharing, tt.want)
		}
	}
}
