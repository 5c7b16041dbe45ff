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
		Target   string          `json:"target"`    // who made the list, where it is no file of the repository
		Lock     string          `json:"lock"`      // path
		LockName string          `json:"lock_name"`
		Settings json.RawMessage `json:"settings"`
		Pins     []PinnedFile    `json:"pins"`
	} `json:"lists"`
	Unlocked []struct {
		Target string `json:"target"`
		Lock   string `json:"lock"` // path
	} `json:"unlocked"`
}

// PinnedFile is a file that is pinned to a list.
type PinnedFile struct {
	Path string `json:"path"`
	Name string `json:"name"` // for messages; empty: by its path
}

// ReadBatch adds the lists of a batch.
func (l *Locking) ReadBatch(file string) error {
	data, err := os.ReadFile(file)
	if err != nil {
		return fmt.Errorf("can't read the batch: %w", err)
	}
	var b lockBatch
	if err := decodeStrictly(data, &b); err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	var errs []error
	for _, u := range b.Unlocked {
		l.Unlocked = append(l.Unlocked, UnlockedList{u.Target, u.Lock})
	}
	for _, of := range b.Lists {
		list := LockedList{List: of.List, ListName: of.ListName, Target: of.Target, Lock: of.Lock, LockName: of.LockName, Pins: of.Pins}
		if len(of.Settings) > 0 {
			var err error
			if list.Settings, err = plan.ReadSettings(file, of.Settings); err != nil {
				errs = append(errs, err)
			}
		}
		l.Lists = append(l.Lists, list)
	}
	return errors.Join(errs...)
}
