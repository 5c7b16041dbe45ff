package lock

// Sample is a lock with every key that there is.
func Sample() *File { return sample() }
