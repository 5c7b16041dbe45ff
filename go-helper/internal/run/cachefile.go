package run

import (
	"os"
	"path/filepath"
)

// cacheFile is a file in which the engine keeps what later runs can use; empty where there is no place for it.
func cacheFile(name string) string {
	dir, err := os.UserCacheDir()
	if err != nil {
		return ""
	}
	dir = filepath.Join(dir, "docker-mirror")
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return ""
	}
	return filepath.Join(dir, name)
}
