-- The installation whose process owns: its next process, which has proved that this one is gone, need not wait for the lease.
ALTER TABLE owners ADD COLUMN installation TEXT NOT NULL DEFAULT '';
