// Records of calls: signatures with what serves their later calls.
#pragma once

#include <unordered_map>
#include <vector>

#include "jit.h"

// A signature with its entry. Owns what the signature's words point to.
struct Record {
  std::vector<uint64_t> words;
  std::vector<PyObject*> compared, pinned;
  uint64_t hash;
  JitEntryObject* entry = nullptr;
  int calls = 0;    // counted by whoever waits for a signature to come again
  int holders = 1;  // the cache, and searches in progress

  explicit Record(Signature* signature);
  Record(const Record&) = delete;
  ~Record();
  void release() {
    if (--holders == 0) delete this;
  }
};

class RecordCache {
 public:
  // The record (borrowed) of a signature, or NULL. Comparing may run Python code; a search that it
  // disturbs finds nothing.
  Record* find(Signature* signature, uint64_t hash);
  // Takes the record over. Starts anew when there are too many. An older record of the same
  // signature gets the entry instead.
  void add(Record* record);
  void clear();
  size_t size() const { return records_.size(); }
  int traverse(visitproc visit, void* arg);

 private:
  std::unordered_multimap<uint64_t, Record*> records_;
  Record* last_ = nullptr;  // the one that was found last
  uint64_t version_ = 0;    // counts changes
};
