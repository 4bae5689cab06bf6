// See records.h.
#include "records.h"

#include <algorithm>

namespace {

constexpr size_t kMaximumRecords = 4096;  // then a cache starts anew

// 1: equal, 0: not, -1: a comparison failed (exception cleared: the slow path decides).
int matches(Record* record, Signature* signature) {
  if (record->compared.size() != signature->compared.size() ||
      !std::equal(record->words.begin(), record->words.end(), signature->words.begin(),
                  signature->words.end()))
    return 0;
  for (size_t i = 0; i < record->compared.size(); i++) {
    PyObject *a = record->compared[i], *b = signature->compared[i];
    if (a == b) continue;
    int equal = PyUnicode_CheckExact(a) && PyUnicode_CheckExact(b)
                    ? PyUnicode_Compare(a, b) == 0
                    : PyObject_RichCompareBool(a, b, Py_EQ);
    if (equal < 0) PyErr_Clear();
    if (equal <= 0) return equal;
  }
  return 1;
}

// `matches` for a record of a cache that the comparison's Python code may change.
int matches_held(Record* record, Signature* signature) {
  record->holders++;
  int equal = matches(record, signature);
  record->release();
  return equal;
}

}  // namespace

Record::Record(Signature* signature)
    : words(signature->words.begin(), signature->words.end()),
      compared(signature->compared.begin(), signature->compared.end()),
      pinned(signature->pinned.begin(), signature->pinned.end()),
      hash(signature->hash()) {
  for (PyObject* object : compared) Py_INCREF(object);
  for (PyObject* object : pinned) Py_INCREF(object);
}

Record::~Record() {
  for (PyObject* object : compared) Py_DECREF(object);
  for (PyObject* object : pinned) Py_DECREF(object);
  Py_XDECREF(entry);
}

Record* RecordCache::find(Signature* signature, uint64_t hash) {
  uint64_t version = version_;
  if (last_ && last_->hash == hash) {
    Record* candidate = last_;
    int equal = matches_held(candidate, signature);
    if (version != version_) return nullptr;
    if (equal == 1) return candidate;
  }
  auto range = records_.equal_range(hash);
  for (auto at = range.first; at != range.second; ++at) {
    int equal = matches_held(at->second, signature);
    if (equal < 0 || version != version_) return nullptr;
    if (equal) return last_ = at->second;
  }
  return nullptr;
}

void RecordCache::add(Record* record) {
  if (records_.size() >= kMaximumRecords) clear();
  auto range = records_.equal_range(record->hash);
  for (auto at = range.first; at != range.second; ++at) {
    Record* other = at->second;
    if (other->words == record->words && other->compared == record->compared) {
      std::swap(other->entry, record->entry);
      record->release();
      return;
    }
  }
  version_++;
  records_.emplace(record->hash, record);
}

void RecordCache::clear() {
  last_ = nullptr;
  version_++;
  std::unordered_multimap<uint64_t, Record*> records;
  records.swap(records_);  // deleting runs Python code, which may call again
  for (auto& pair : records) pair.second->release();
}

int RecordCache::traverse(visitproc visit, void* arg) {
  for (auto& pair : records_) {
    Py_VISIT(pair.second->entry);
    for (PyObject* value : pair.second->compared) Py_VISIT(value);
    for (PyObject* value : pair.second->pinned) Py_VISIT(value);
  }
  return 0;
}
