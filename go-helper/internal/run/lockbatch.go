package run

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"

	"docker-mirror/go-helper/internal/plan"
)

// lockBatch is what `pants lock` hands over: the lists of all its targets.
type lockBatch struct {
	Lists []struct {
		List     string          `json:"list"`      // path
		ListName string          `json:"list_name"` // for messages
		Lock     string          `json:"lock"`      // path
		LockName string          `json:"lock_name"`
		Settings json.RawMessage `json:"settings"`
		Pins     []PinnedFile    `json:"pins"`
	} `json:"lists"`
}

// PinnedFile is a file that is pinned to a list.
type PinnedFile struct {
	Path string `json:"path"`
	Name string `json:"name"` // for messages; empty: by its path
}

// ReadLockBatch reads the lists of a batch.
func ReadLockBatch(file string) ([]LockedList, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("can't read the batch: %w", err)
	}
	var b lockBatch
	if err := decodeStrictly(data, &b); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	var lists []LockedList
	var errs []error
	for _, l := range b.Lists {
		list := LockedList{List: l.List, ListName: l.ListName, Lock: l.Lock, LockName: l.LockName, Pins: l.Pins}
		if len(l.Settings) > 0 {
			var err error
			if list.Settings, err = plan.ReadSettings(file, l.Settings); err != nil {
				errs = append(errs, err)
			}
		}
		lists = append(lists, list)
	}
	return lists, errors.Join(errs...)
}
