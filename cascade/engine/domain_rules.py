"""The built-in keywords of the six domains: what a word or phrase says about a prompt, in nats of evidence.

Weights come in tiers: 3 = hardly ever said elsewhere, 2 = strong, 1 = typical, 0.5 = a hint. Plain plurals need no line of their own:
the detector adds them. Words come from general knowledge of each field and from reading misses on public questions; no weight is
learned from rows. Tenants add or switch off rules on the Domain rules page.
"""

from msgspec import Struct

__all__ = ["BUILT_IN_RULES", "DOMAINS", "KeywordRule"]

DOMAINS = ("code", "medical", "legal", "math", "data", "general")


class KeywordRule(Struct, frozen=True):
    """One word or phrase that speaks for a domain. Case and punctuation do not matter; whole words only."""

    domain: str
    phrase: str
    weight: float = 1.0
    """Evidence in nats; negative speaks against the domain."""
    enabled: bool = True
    id: str = ""
    """Whose meetings with prompts are counted: also while the rule is switched off. Empty for built-in words."""


_CODE = {
    3.0: """a sql; activerecord; add ins; addin; ado net; ajax; android; android studio; angular; ansible; apache server; applescript;
        argv; asp net; async await; asyncio; attributeerror; awk; bash script; big o; binary search; binary tree; boolean; bug
        tracking; c#; c++; cgi; ci cd; clojure; clr; cmake; cobol; cocoa; code block; code review; code snippet; command line; compile
        error; compiler error; compiling; console log; cors; cout; cpp; crontab; cross compiling; csrf; css; dataframe; dataset in c#;
        datatable; debugger; delphi; django; dll; dns server; docker; docker compose; dockerfile; doctest; does not compile; dom
        element; dylib; eclipse ide; elasticsearch; emacs; erlang; eslint; event handler; exe; exit code; fastapi; firefox; flask;
        flutter; fortran; ftp; gcc; gem install; git; git commit; git rebase; github; github actions; golang; goroutine; gradle;
        graphql; grep; hash map; hash table; hashmap; haskell; hibernate; htaccess; html; ide; iis; in sql; innerhtml; int main;
        intellij; ios app; iphone sdk; java; javascript; jdk; jquery; json; jsp; junit; jvm; jwt; keyboard shortcut in; keyerror;
        kotlin; kubectl; kubernetes; lambda expression; laravel; leetcode; linked list; linking error; linq; lisp; localstorage; mac
        os; makefile; matlab; maven; mercurial; mfc; microservice; mod rewrite; mongodb; msbuild; mysql; nextjs; nginx; nib; node js;
        nodejs; not compiling; npm; npm install; ntfs; null pointer; nullpointerexception; numpy; nunit; oauth; objective c; onclick;
        oracle database; os x; pandas; perl; php; pip install; pipeline yaml; pl sql; postback; postgresql; powershell; printf;
        println; programming language; pseudocode; pull request; pydantic; pytest; python; query selector; rabbitmq; rails; react;
        reactjs; redis; refactor; regex; regular expression; resharper; rest api; rest endpoint; rss feed; ruby; ruby on rails; rust;
        rust lang; scala; sed; segmentation fault; selenium; servlet; sharepoint; shell script; silverlight; soap; source code; space
        complexity; splitter control; spring boot; sql code; sql injection; sql query; sql server; sql statement; sqlalchemy; sqlite;
        ssh; ssl certificate; stack overflow; stack trace; stdin; stdout; stored procedure; struts; subversion; sudo; svelte; svn;
        swiftui; syntax error; syntaxerror; systemd; tailwind; tcp; terraform; time complexity; tkinter; tomcat; traceback; treeview;
        typecast; typeerror; typescript; udp socket; undefined symbol; unicode; unit test; user control; usercontrol; utf 8;
        valueerror; vb net; vba; vbscript; viewstate; vim; virtualenv; visual basic; visual studio; vue js; web service; webassembly;
        webpack; websocket; win32; winapi; windows scripting; winforms; won t compile; wordpress; wordpress plugin; wpf; wrapper;
        write a sql; xaml; xcode; xml; xslt; xss; yaml; zsh""",
    2.5: """mac os x""",
    2.0: """abstract class; active directory; algorithm; anagram; apache; api; api key; argument; array; array of integers; ascii;
        assembly; assembly file; authentication; backend; base64; bash; binary; binding; bit manipulation; bitwise; boolean value;
        branch; bubble sort; bug in; build; build process; build script; byte; bytecode; bytes; caching; callback; captcha; checkbox;
        class called; class that; classifier in; click event; client side; clipboard; closure; cms; code for; code to; codebase;
        combobox; command prompt; commit; compilation; compile; compiler; connection string; constructor; continuous integration;
        create a class; create a function; create a program; cron job; css class; css grid; data binding; data structure; data
        structures; database schema; database server; datagrid; deadlock; debug; debugging; decorator; delegate; dependency injection;
        deploy; deployment; deque; deserialize; design pattern; dictionary; diff; div; dll reference; doesn t work; driver; dropdown;
        dynamic programming; editor; encryption key; endpoint; enum; enumerable; enumeration; environment variable; even numbers;
        event; exception; executable; extension method; factorial of; feed; fibonacci; file system; filesystem; flexbox; floating
        point; for loop; foreign key; framework; frontend; function that; function to; garbage collection; generics; given a list;
        given a string; given an array; given integer; given number; given two; graph; gridview; hangs; hard drive; heap; hexadecimal;
        hosting; html page; html tag; http; http request; https; ide for; iframe; implement a; import error; inheritance; initialise;
        initialised; initialize; initialized; inner join; input string; installer; integer; integer overflow; interface; iterate;
        iterator; json response; keyword argument; lambda; ldap; legacy; linter; linux; linux kernel; list of integers; list of
        numbers; list of strings; listview; load balancing; localhost; localization; log level; loop; mac; machine learning model;
        malloc; managed code; matrix multiplication; md5; memory leak; merge conflict; merge sort; method that; method to; middleware;
        mocking; module not found; multithreading; mutex; mvc; namespace; net; net framework; neural network; node; nosql; not
        working; nth; null; odd numbers; open source library; oracle; orm; output string; overwritten; palindrome; parameter; parse;
        parser; parser for; patch; payload; performance of; permission denied; permissions; plugin; pointer; polymorphism; pop up
        window; popup; predicate; primary key; prime numbers; profiler; profiling; project template; proxy server; pytorch; query
        hangs; query string; queue; quicksort; race condition; random number; re initialized; recursion; recursion depth; recursive;
        redirect; refactoring; regexp; registry; repository; resource file; return false; return true; return value; returns true;
        reverse a string; reverse the string; root directory; runtime; schema; sdk; serialization; serialize; server side; sha256;
        single sign on; singleton; sklearn; smtp; socket; sort a list; sort an array; sort the list; sql; stack; stack overflow error;
        static method; status code; stderr; string; struct; stub; stylesheet; subclass; substring; template class; tensorflow;
        terminal; test case; tests; text editor; textbox; the console; thread; thread safe; toolbar; tree; trunk; truth table; tuple;
        type hint; ubuntu; unit tested; unit testing; unit tests; unix; unmanaged; upload; url; url rewriting; variable; version
        control; view model; virtual machine; vista; vmware; void; vowels; web app; web application; web page; web server; webpage;
        webserver; while loop; white space; whitespace; won t work; workaround; write a class; write a function; write a program;
        write a query; write a script; write code; xp; xpath""",
    1.0: """app; application; best practice; browser; button; cache; character; class; client; code; coding; config; configuration;
        console; convert; cookie; cpu; data type; database; datetime; delimiter; developer; directory; edge case; element; error;
        error message; example usage; expression; file; folder path; function; generate; given list; given string; graph traversal;
        gui; how can i; how do i; image upload; implement; implementation; index; input; install; library; list; log file; login page;
        lowercase; matrix; memory; method; modify; module; nested; object; operator; optimize; output; package; print; process;
        program; programmer; programming; return; returns; rewrite; script; separated; server; session; set of numbers; snippet;
        software; sorted; specified; statement; syntax; the following code; timestamp; ui; uppercase; user input; validate; windows""",
}

_MEDICAL = {
    3.0: """abdomen; abdominal; abdominal pain; abductor; abscess; acetaminophen; acetylcholine; action potential; adductor; adhd;
        adrenal; adrenaline; adverse event; aids; allele; allergic; allergy; alzheimer; amblyopia; ambulance; amino acid; anaemia;
        anaesthesia; anatomical; anatomy; anemia; anesthesia; anesthetic; aneurysm; angina; anorexia; antenatal; antibiotic; antibody;
        anticoagulant; antidepressant; antigen; antimicrobial; antiseptic; antiviral; anxiety disorder; aorta; aortic; apnea;
        apoptosis; appendicitis; arrhythmia; arteries; arteriole; artery; arthritis; arthroscopic; aspirin; asthma; atp; atrial;
        atrium; atrophy; auditory tube; auscultation; autism; autoimmune; autosomal; axilla; back pain; bacteria; bacterial;
        bactericidal; bacteriophage; bandage; benign; biomarker; biopsy; bipolar disorder; bladder; blood pressure; bmi; body mass
        index; bone marrow; bowel; bpm; bradycardia; brain injury; brainstem; breast cancer; bronchial; bulimia; bypass surgery;
        caesarean; cancer; capillaries; capillary; carbohydrate; carcinoma; cardiac; cardiologist; cardiovascular; carotid; cartilage;
        cataract; catheter; cerebellum; cerebral; cervical; cesarean; chemotherapy; chest pain; chickenpox; chlamydia; cholera;
        cholesterol; chromosome; clavicle; clinic; clinical; clinical skills; clinical trial; clinician; clubbing; cochlear; coli;
        colon cancer; colonoscopy; colorectal; comorbid; comorbidity; constipation; contraception; contraindicated; contraindication;
        copd; cornea; coronary; cortex; corticosteroid; cortisol; cough; covid; cpr; cranial; cranial nerve; creatine; creatine
        kinase; creatinine; ct scan; cutaneous; cyanosis; cyst; cystic; cytokine; deafness; dementia; dengue; dental; dentist;
        depression treatment; dermatitis; diabetes; diabetic; diagnose; diagnosed; diagnosis; dialysis; diaphragm; diarrhea;
        diarrhoea; dietary; diphtheria; discharge from hospital; discharge summary; disorder; dna; dopamine; dosage; dose; down
        syndrome; dysphagia; dyspnea; dysuria; ebola; ecg; eczema; edema; ehr; ekg; embolism; embryo; embryonic; emergency department;
        emergency room; endocrine; endoscopy; enzyme; eosinophil; epidemiology; epilepsy; epinephrine; epithelial; epithelium;
        erythrocyte; esophageal; esophagus; estrogen; euthanasia; extension of the; family physician; fatty acid; fatty acids;
        femoral; femur; fetal; fetus; fever; fibrillation; fibrosis; fibula; flexion; foetal; folate; foramen; fossa; fracture;
        gallbladder; ganglion; gangrene; gastric; general practitioner; genome; genotype; glaucoma; glucose; glucose level; glycogen;
        glycolysis; gonorrhea; gout; groin; gustatory; gyrus; haemoglobin; haemorrhage; headache; hearing loss; heart attack; heart
        failure; heart rate; helminth; hematoma; hematuria; hemoglobin; hemorrhage; heparin; hepatic; hepatitis; hernia; herpes;
        hipaa; histology; history of present illness; hiv; hospice; hospital; humerus; hyperglycemia; hypertension; hypertrophy;
        hypoglycemia; hypotension; hypothalamus; ibuprofen; icd; icd 10; icu; immune; immunization; infant mortality; infarction;
        infection; inflammation; inflammatory; influenza; innervated; innervation; inpatient; insulin; insulin resistance; intensive
        care; interferon; interleukin; intestinal; intestine; intubated; intubation; iodine deficiency; ischaemia; ischemia; ischemic;
        itching; iu; jaundice; joint pain; jugular; karyotype; ketoacidosis; kidney; krebs; laboratory studies; lactate; lactic acid;
        laparoscopic; larynx; lesion; leukaemia; leukemia; leukocyte; ligament; liver; lumbar; lung; lupus; lymph node; lymphatic;
        lymphocyte; lymphoma; macrophage; malaria; malignancy; malignant; malnutrition; mammogram; mandible; mandibular; masseter;
        maternal; maxilla; maxillary; mcg; measles; medical student; medicare; medication; medulla; melanoma; menopause; meta
        analysis; metabolic; metabolism; metastases; metastasis; metastatic; metformin; mg; mg kg; micronutrient; midwife; midwives;
        migraine; mitochondria; mitochondrial; ml; mm hg; mmhg; molar; morbidity; morphine; mortality; most likely diagnosis; mri;
        mucosal; multiple sclerosis; mumps; murmur; muscle fiber; muscle fibre; mutation; mycobacterium; myocardial; nail bed;
        naloxone; nasopharynx; nausea; necrosis; neonatal; neonate; neoplasm; nerve; neurological; neurologist; neurology; neuron;
        neurotransmitter; neutrophil; newborn; nodule; nurse; nursing; nursing home; nutrient; nutrition; obese; obstetric; oedema;
        olfactory; oncologist; oncology; operating room; ophthalmic; ophthalmology; opioid; opioids; optic nerve; orthodontic;
        orthopaedic; orthopedic; osmosis; osteoporosis; outpatient; ovarian; ovary; over the counter; overdose; overweight; oxidative
        phosphorylation; paediatric; palate; palliative; pallor; palpation; palpitation; pancreas; pancreatic; pap smear;
        papillomavirus; paracetamol; paramedic; parkinson; parotid; patella; pathogen; pathologist; peak flow; pediatric;
        pediatrician; pelvic; pelvis; percussion; peritoneal; phalanx; pharmaceutical; pharmacology; pharynx; phenotype;
        phosphorylation; physical examination; physician; physiological; physiology; pituitary; placebo; placebo controlled; plasma
        level; plasmodium; platelet; pleural; plexus; pneumonia; polio; polyp; polyuria; pons; postpartum; pregnancy; pregnant;
        presents to; presents with; pressure sore; prognosis; prognostic; prostate; protein intake; protein synthesis; psoriasis;
        psychiatric; psychiatrist; ptsd; public health; pulmonary; pulsation; pulse; pulse rate; rabies; radiation therapy;
        radiograph; radiologist; radiotherapy; radius and ulna; randomised; randomised trial; randomized; randomized trial; rash;
        receptor; recessive; rectal; regurgitation; renal; resident physician; respiratory; resuscitation; resuscitator; retina;
        retinal; retrovirus; rheumatoid; rib; rna; rna polymerase; rubella; saliva; salivary; salmonella; scapula; schizophrenia;
        scrotal; seizure; sepsis; serotonin; serum; sexual behavior; sexual health; shingles; shortness of breath; side effect; side
        effects; sinus; skeletal; smallpox; smoking; sore throat; sphincter; spinal cord; spleen; ssri; staphylococcus; statin;
        statins; stenosis; sternal; sternum; steroid; stethoscope; stomach; strabismus; streptococcus; stroke; sulcus; surgeon;
        surgery; surgical; survival rate; swallowing; symptom; symptoms; synapse; syncope; syndrome; syphilis; systematic review;
        tachycardia; teeth; tendon; testes; testicular; testis; testosterone; tetanus; therapeutic; therapy; thoracic; thrombosis;
        thyroid; thyroxine; tibia; tibial; tidal volume; tinnitus; tissue; trachea; transcription factor; transfusion; transplant;
        transplantation; triage; trigeminal; trisomy; tuberculosis; tumor; tumour; tympanic; typhoid; ulcer; ultrasound; ureter;
        urinary; uterine; uterus; vaccinated; vaccination; vaccine; vagus; vein; venous; ventilator; ventricle; ventricular; vertebra;
        vertebrae; vertigo; viral; viral genome; visual acuity; visual loss; vital signs; vo2; vomiting; ward; warfarin; worm
        infection; wound; x linked; x ray; year old boy; year old female; year old girl; year old male; year old man; year old woman;
        zika""",
    2.5: """disease; drug; gene; patient; virus""",
    2.0: """abnormal; abnormality; ache; acid base; acute; adolescents; aerobic; agonist; alcohol dependence; allergen; ankle;
        antagonist; anterior; associated with; athlete; birth weight; bleeding; blocker; blood; bone; brain; breastfeeding; bypass;
        calcium; carbon dioxide; caregiver; cell; cell membrane; cells; cellular; chest; children with; chronic; cohort; congenital;
        contraceptive; distal; doctor; dr prescribed; duct; efficacious; efficacy; elbow; elderly; electrolyte; exercise; fatigue;
        fertility; fluid; forearm; fungal; genetic; gestation; gestational; gland; graft; health care; healthcare; heart; hereditary;
        hip replacement; hormone; hypoxia; implant; in the body; incidence; incision; infant; infected; infertility; inhaler;
        inhibitor; injected; injection; insomnia; intraoperative; intravenous; iron deficiency; joint; knee; lateral; limb; lungs;
        medial; medical; medicine; membrane; metabolise; muscle; nervous system; obesity; older adult; oral administration; organ;
        outcome in; outcomes in; oxidized; oxygen; pain; painful; parasite; patients; perioperative; pharmacy; poisoning; posterior;
        postoperative; potassium; predictive of; predictor; preoperative; prescribe; prescribed; prescription; prevalence; proximal;
        psychiatry; relapse; remission; resection; risk factor; screening; secretion; severe pain; sexually transmitted; shoulder;
        skin; sleep apnea; smoker; smoking cessation; sodium; spine; sputum; stent; stool; survival; survivors; suture; swelling;
        tablet dose; therapist; thigh; throat; toddler; tongue; tooth; toxin; treat; treated with; treatment; trimester; urine;
        ventilation; vitamin; wrist""",
    1.0: """analysis of; assessment; beneficial; cognitive; community setting; comparison; comparison of; correlation; deficiency;
        delivery; diagnostic; diet; disability; disease risk; effective; effectiveness; efficacy of; evaluation; feasible; follow up;
        gait; general practice; health; ill; illness; impact on; increase the risk; injury; intention; intervention; is there a role;
        long term; mental health; motor; perception; permanent; primary care; psychologist; quality of life; reflex; role for; role
        of; sensitivity; sensory; short term; specificity; sport; success rate; tobacco; trauma; weight loss; working memory; young
        children""",
    0.7: """adult; age; care; child; children; community; correlate; early; inferior; influence; late; level; measure; men; necessary;
        predict; pressure; rate; ratio of; reduce; reliable; safe; safety; superior; temperature; useful; valid; women""",
}

_LEGAL = {
    3.0: """accomplice; acquitted; actus reus; admissible; adverse possession; affidavit; alimony; amendment; amicus; animal rights;
        anti assignment; anticipatory; antitrust; appeals court; appellant; appellate; appellee; arbitration; arbitrator; armed
        conflict; arson; assault and battery; assumption of risk; asylum; attempted murder; attorney; attorney client; audit rights;
        austin; bail; bankruptcy; bar exam; barrister; battery; belligerent; beneficiary; beyond a reasonable doubt; bilateral
        contract; breach; breach of contract; burden of proof; burglary; cap on liability; case law; caveat emptor; certiorari; change
        of control; character evidence; circuit court; citizenship requirement; civil law; clause; commerce clause; common law;
        communitarian; communitarianism; confession; confidential information; confidentiality; consideration for; conspiracy;
        constitution; constitutional; consular; contempt of court; continental shelf; contract law; contractual; conveyance;
        convicted; conviction; copyright; council of europe; counsel; countermeasures; covenant; covenants; creditor; criminal;
        critical legal; critical race; cross examination; custody; custody of; customary international; customary law; damages; de
        facto; de jure; debtor; deed; defamation; defendant; defines a term; deportation; deposition; deterrence; diplomat;
        diplomatic; disclosing party; discovery request; dismiss the; district court; diversity jurisdiction; double jeopardy; due
        process; dworkin; easement; egalitarianism; embargo; embezzlement; eminent domain; enact; enacted; equal protection; equal
        protection clause; erga omnes; escrow; establishment clause; estoppel; eviction; evidence is admissible; ex parte;
        exclusionary; exclusivity clause; expert witness; extortion; extradition; false imprisonment; federal court; fee simple;
        felony; fiduciary; finnis; first amendment; force majeure; forced labor; foreclosure; fourth amendment; free exercise; free
        speech; gdpr; geneva convention; governing; governing law; grand jury; grotius; guilty; habeas corpus; hearsay; hereby;
        herein; hereof; hereto; hereunder; hipaa; homicide; human trafficking; icj; immigration; immunity; impeach; inadmissible;
        indemnification; indemnify; indemnity; indictment; infringement; inheritance; injunction; insolvency; insurance clause;
        intellectual property; internal revenue code; international court; international law; interrogation; intestate; invitee;
        irrevocable; joint tenants; judge; jurisdiction; jurisprudence; jurist; juror; jury; jus cogens; kelsen; landlord; larceny;
        larceny by; law dictionary; law firm; law of the sea; law reform; law school; lawful; lawsuit; lawyer; lay opinion; leading
        question; lease; legal positivism; legal theory; legislation; legislative; legislature; lessee; lessor; liability; liability
        clause; liable; libel; license grant; licensee; licensee of; licensor; lien; life estate; liquidated damages; litigate;
        litigation; mackinnon; magna carta; manslaughter; mediation; mens rea; merger agreement; minimum commitment; miranda;
        misdemeanor; misrepresentation; modern slavery; mortgage; mortgagee; mortgagor; motion to; move to dismiss; murder; nda;
        negligence; negligent; no solicit; non compete; non disclosure; non intervention; noncompete; nondisclosure; notary;
        notwithstanding; nozick; obiter; objection; offence; offense; opinio juris; option contract; ordinance; ordre public;
        overrule; overruled; overruling; paralegal; parol evidence; parole; patent; peremptory; perjury; perpetual license; personal
        jurisdiction; personally identifiable; petitioner; plaintiff; plaintiffs; plea; positivist; post termination; postmodern;
        power of attorney; precedent; preliminary; preponderance; prima facie; privacy policy; privilege; probable cause; probate;
        probation; promissory; proportionality; prosecution; prosecutor; puffery; punishable; pursuant; pursuant to; quitclaim;
        ratification; ratify; ratio decidendi; receiving party; recording statute; remainderman; remand; remanded; remedies; remedy;
        repudiation; rescind; rescission; reservation to; respondeat superior; respondent; restitution; restraining order;
        retribution; retributive; right of self; robbery; royalty free; rule against perpetuities; rule of law; rule of recognition;
        savigny; search warrant; securities act; security council; self defence; self defense; sentencing; settlement agreement;
        severability; slander; slavery act; social contract; solicitor; sovereign immunity; specific performance; stare decisis; state
        practice; state responsibility; statehood; statute; statute of frauds; statutory; stipulation; strict liability; strict
        scrutiny; subject matter jurisdiction; subpoena; subsidiaries; summary judgment; supply chain disclosure; supremacy clause;
        supreme court; survival of obligations; suspect; takings; tax law; taxpayer; tenancy; tenant; termination for convenience;
        terms and conditions; terms of service; territorial sea; testator; testify; testimony; therein; thereof; third party
        beneficiary; tort; tortious; trademark; traffic law; treaties; treaty; treaty body; trespasser; trustee; ucc; un charter;
        uncapped; unclos; unconstitutional; uniform commercial code; unilateral contract; united nations charter; unlawful; use of
        force; vicarious; vienna convention; visa petition; waiver; warranties; warranty; whereas; will and testament; will contest;
        will theory; witness; zoning""",
    2.5: """court; human rights; legal; member states; rights of the""",
    2.0: """acceptance of; acquittal; affiliate; agency; agreement; allegation; allege; alleged; alleges; amount in controversy;
        appeal; arrest; arrested; article; assign; assignee; assignment of; bentham; bequeathed; bequest; blackacre; board of
        directors; buyer; bystander; cause of action; charter; citizen of; citizenship; compliance; comply; confidential; consent;
        consent of; consumer protection; contract; contractor; convention; corporation; crime; data subject; declaration; devise;
        disclose; disclosure; discrimination; dispute; divorce; doctrine; domiciled; duty of care; effective date; egalitarian;
        employee; employer; enforceable; enforcement; entitled; equitable; estate; exclusive; exclusivity; feminism; feminists;
        foreseeable; forth in; grantee; grantor; greenacre; grievance; harassment; hart; heir; heirs; hereinafter; hobbes;
        incorporated; insurance policy; insured; insurer; intentionally; internal revenue; interrogatories; issue of; judges;
        judicial; judicially; judiciary; jurisdictional; justice; landowner; law; legal realism; legal system; licensing; locke;
        malice; natural law; negligently; nuisance; obligation; obligations; offer and acceptance; offeree; offeror; officer; opt out;
        out of court; owner of; ownership of; parcel; parties; partnership; personal data; personal information; police; police
        officer; premises; property owner; protocol; provisions; proximate cause; punishment; purchaser; question presented; rawls;
        reasonable person; reckless; recklessly; recognition of; regulation; regulator; regulatory; resolution; retaliation; right to;
        royalties; ruling; search and seizure; section; seller; service provider; set forth; settlement; shall; shareholder agreement;
        sovereign; sovereign state; sovereignty; state law; state parties; statement of; stockholder; subsidiary; successor; sue;
        sued; suing; tax code; terminate; termination; theory of law; thereafter; third parties; third party; transferee; trespass;
        trial; tribunal; unenforceable; unjust; user data; utilitarianism and; valid contract; vendor; verdict; violate; violated;
        violation; void; voidable; warrant; wrongful""",
    1.0: """agent; aggression; agree; agreed; agreement to; amount; applicable; applies; authority; claim; claims; clause that;
        complaint; date of; days after; discretion; dissent; does the clause; duty; equity; facts; federal; feminist; force;
        government; holding; humanitarian; intent; intentional; legitimacy; legitimate; license; majority; merchant; minority; moral;
        morality; morally; norm; normative; norms; notice; opinion; party; payment; period of; permit; philosophy of; policy;
        principal; principle of; prohibit; prohibited; provision; refugee; restrict; restriction; rights; rule; scholar; shareholder;
        shareholders; specify; territorial; territory; union; victim; weapon; written notice""",
    0.5: """act; action; business; case; company; conflict; interpret; interpretation; issue; owner; peace; society; state; states;
        states of; the following; war""",
}

_MATH = {
    3.0: """abelian; algebra; altogether; area of a; area of the; arithmetic; best buy; bijection; calculus; circumference; coin flips;
        combinatorics; complex number; compute the; converge; cosine; cube root; decimal; denominator; derivative of; determinant; dice;
        differentiate; divided by; eigenvalue; equation; estimate; evaluate the expression; even integer; factorize; geometry; greatest
        common divisor; greatest common factor; greatest to least; half as many; how many are left; how many more; how many times as
        many; how many total; how much more; hypotenuse; improper fraction; in total; inequality; integers n; integral of; integrate;
        isosceles; least common multiple; least to greatest; left over; lemma; logarithm; matrices; miles per hour; mixed number;
        modulo; multiplied by; number sentence; numerator; odd integer; per hour; perimeter; permutation; permutations; polynomial;
        positive integer; prime factorization; probability that; prove that; quadratic; quotient; random variable; real numbers;
        remainder; round; round to the nearest; rounded to; rounds to; scale factor; sequence of real; simplify; solve for; square root;
        standard deviation of; subgroup; supplementary angle; theorem; three times as many; times as many; total cost; trigonometry;
        twice as many; twice as much; value of the expression; value of x; value of y; vector space; which expression; z score""",
    2.0: """apples; average; bought; buys; candies; cents; cookies; cost; costing; costs; cupcakes; difference between; dollars; double;
        dozen; each; earned; earns; eggs; equal; equally; feet; fewer; fraction; gallons; gave; half of; how far; how long will; how
        many; how much; how old; inches; kilometers; left; less than; liters; marbles; meters; miles; minutes; more than; oranges;
        ounces; pencils; percent; pounds; product of; ratio; remaining; saved; saves; spends; spent; stickers; sum of; total number;
        triple; twice; weekly; x y; yards""",
    1.0: """age; angle; ate; bag; bags; box; boxes; boys; calculate; circle; compute; days; digit; discount; divide; eats; expression; foot;
        friend; friends; girls; half; hours; inch; juice; many; math; mathematics; maths; mile; minus; money; multiply; number; numbers;
        older; pages; paid; pay; plus; price; profit; quarter; read; rectangle; salary; sells; sold; solve; square; students; subtract;
        third; times; total; triangle; week; weeks; yard; younger""",
}

_DATA = {
    3.0: """a b test; and last names; and the number of; are there in; at least two; average age; average number; average price; bar chart;
        bigquery; bucket; by each; chart of; churn; cohort analysis; compared to last; conversion rate; correlation between; count the;
        count the number; csv; dashboard; data analysis; data frame of; data set; data warehouse; dataset; distinct; etl; excel; find
        the name; find the names; find the number of; first name; for all; for each; forecast sales; full names; funnel; give me the;
        give the; group by; group the; grouped by; growth rate; histogram; how many are there; how many different; ids and; ids of; in
        alphabetical order; in ascending order; in descending order; inclusive of; kpi; last month; last name; last quarter; last week;
        list all; list the; list the name; maximum and minimum; month over month; more than one; name and; name of all; names of; number
        of distinct; of all; of each; order by; ordered by; outlier; outliers; p value; past 7 days; past month; pivot table; please
        show; plot the; power bi; regression; return the; revenue by; sales by; scatter plot; segment the; show all; show the; show the
        name; snowflake; sorted by; spreadsheet; tableau; the highest number; the most number of; time series; total number of; trend
        of; visualize; what are all; what are the ids; what are the names; what is the name of the; which unique; whose name; year over
        year""",
    2.0: """aggregate; aggregated; airlines; airports; alphabetical; analytics; and their; are there; ascending; average; column; columns;
        concert; contestants; count; current week; dealership; degree programs; departments; descending; do not have; does not have;
        employees; excluding; find all; find the; flights; highest; hometown; id; ids; in the us; inclusive; life expectancy; lowest;
        matches; maximum; median; metric; metrics; minimum; most common; museum; names; notifications; orders; owners; paragraphs; per
        day; per month; percentage of; pets; phone; properties; record; records; revenue; rows; sales; salesperson; semester; show;
        singers; stadium; students; surface area of; template; templates; that has; that have; the fewest; ticker; top 10; top 3; top 5;
        tournament; treatments; visitors; voters; wallet; weekends; what are the; which have; who have; with the least; with the most""",
    1.0: """address; airline; all; amount; city; code of; countries; country; courses; customer; customers; date; did not; different;
        documents; dogs; each; earliest; latest; list; merchant; month; number of; oldest; population; price; product; products; query;
        return; row; series; share; ships; shop; shops; significance; status; table; teachers; the least; the most; the smallest; total;
        transaction; transactions; tv; type; user; users; whose; year; youngest""",
}

_GENERAL = {
    3.0: """actor; actress; advertisement; advertising; airport; alarm; album; ancient; anthropology; archaeology; are you a;
        aristotle; attribution error; author; bake; band; bank account; baseball; basketball; behaviourism; bible; birthday; blog
        post; bourgeois; branding; capital of; capitalism; carry on; cat; celebrity; central bank; century; chess; christmas; church;
        civil war; civilization; classical conditioning; climate change; cognitive dissonance; cold war; colonial; colony; comparative
        advantage; composer; concert; confucius; consumer behaviour; continent; cook; cooking; cover letter; credit card; credit
        score; cricket; customer loyalty; definition of; democracy; descartes; desert; directions; discovered; dog; durkheim; dynasty;
        economics; economist; email to; emperor; empire; episode; epistemology; erikson; erosion; essay; ethical; ethics; ethnicity;
        exchange rate; famous; feminism; film; flight; flip a coin; football; forecast for; founded; fun fact; garden; gardening;
        gift; god; golf; guitar; hiking; history of; hobbies; hobby; holiday; horoscope; horse; hotel; how do you say; ideology; in
        french; ingredient; insurance plan; interest rate; invented; island; job interview; joke; kant; kantian; kierkegaard; king;
        kinship; letter to; loyalty; luggage; lyrics; macroeconomics; marginal cost; marginal revenue; marginal utility; market
        segment; marketing; marx; maslow; meaning of; medieval; metaphysics; microeconomics; migration; monarchy; monopolistic;
        mosque; mountain; mpg; museum; my balance; my bank; nba; netflix; nfl; novel; novelist; ocean; oil change; oligopolist;
        olympic; olympics; ontology; operant conditioning; orchestra; oven; painter; painting; passport; pavlov; payday; perfect
        competition; pet; philosopher; philosophy; piano; plato; play music; playlist; poem; poem about; poet; population of;
        president of; price ceiling; price floor; psychoanalysis; psychologist; psychology; pto; public relations; queen; quran;
        rainfall; reinforcement; religion; remind me; reminder; reservation; restaurant; resume; retailer; revolution; river; roll a
        dice; roman; rousseau; routing number; say in spanish; sculpture; shopping list; singer; skinner; slogan; soccer; social
        class; socialism; sociology; socrates; speech; spell; sponsorship; stoicism; story about; subsidy; super bowl; synonym;
        tagline; tariff; television; tell me a joke; temple; tennis; theology; timer; tire; to do list; traffic; transfer money;
        translate; travel; treaty of; trip; tv show; tweet; uber; urban; urbanization; utilitarian; vacation; vacation days; virtue;
        weather; weber; wedding; what year; when did; when does; when is; when was the; where did; where does; where is; where was;
        who is the; who made you; who played; who plays; who sang; who was; who won; who wrote; wholesaler; wittgenstein; working
        class; world cup; world war; write a letter; write a poem; write a story; write an email; write an essay; your name; zodiac""",
    2.0: """a priori; absolute; according to; ad hominem; africa; aggregate demand; agriculture; america; animal; animals; anscombe;
        aquinas; argues that; astronomy; audience; audiences; augustine; b2b; battery; behaviorism; bird; birds; birth rate; birth
        rates; book; bourdieu; bourgeoisie; brand; breakfast; british; brother; buddhism; buddhist; bureaucracy; bureaucratic;
        byzantine; calendar; caliphate; calories; can you tell; car; caste; categorical imperative; catholic; cheese; chemistry;
        chicken; china; cicero; circular reasoning; coffee; columbus; communism; communist; conclusion; conditioning; conflict theory;
        confucian; confucianism; congress; consciousness; consequentialism; consumer behavior; consumers; could you; crusades;
        cultural relativism; demand curve; demographic; deontology; developed country; deviance; dinner; distribution channel;
        distributor; distributors; divine command; do i have; drink; e commerce; earthquake; elasticity; election; elite; england;
        enlightenment; epicurus; ethnography; europe; euthyphro; excerpt; existence of god; fallacy; farmers; fascism; feminist
        sociology; fertility rate; firms; fiscal policy; fish; food; foucault; france; franchising; free will; french; freud; friday;
        functionalism; functionalist; galaxy; gdp; gender roles; gentrification; geology; germany; giddens; globalization; goffman;
        habermas; help me; hemisphere; hindu; hinduism; historian; hitler; hobbes; hume; i need to; i want; i would like; identity
        theory; imperialism; imprisonment; india; industrial revolution; inequalities; inequality; inflation; intelligence test;
        islam; japan; kitchen; knowledge is; labour market; latitude; lenin; let me know; locke; logical; longitude; lunch; made of;
        map; market research; market share; meal; media influence; meeting; memory recall; mental states; metropolitan; mill; mills;
        ming; monday; monetary policy; mongol; monopoly; monsoon; moral; moral code; moral philosophy; moral relativism; morality;
        movie; mughal; muslim; nagel; napoleon; nation state; nation states; nationalism; natural selection argument; naturalistic
        fallacy; nazi; new product; nietzsche; norms; oligopoly; opportunity cost; ottoman; parliament; parsons; passage; peer group;
        personality; personality test; phone; physics; piaget; planet; plant; plantation; plants; player; politics; pope; population
        growth; positioning; predicate logic; prejudice; premise; pricing; prime minister; prison; prisons; producers; product life
        cycle; proletariat; protestant; psychologist studies; purchasing; qing; recipe; reformation; relationship marketing;
        religious; renaissance; research method; retailers; russian; sales; sartre; sauce; scepticism; season of; secularization;
        segmentation; senator; short term memory; silk road; singer argues; skepticism; slavery; slaves; social control; social
        mobility; social stratification; socialization; sociologist; solar system; song; soviet; spam; stakeholder; stalin;
        stereotype; stoic; stoics; story; subculture; suburb; supply and demand; supply curve; syllogism; target market; tax return;
        tell me; thanks; today; tomato; tomorrow; tonight; trade; trade routes; tropical; underclass; unemployment; united states;
        utilitarianism; utility; virtue ethics; volcano; wages; weekend; welfare; welfare state; what does it mean; what time; wife;
        won; would you""",
    0.7: """american; argument; belief; bill; call; character in; city; climate; college; come from; consumer; country; cultural;
        culture; economic; economy; family; father; game; gas; home; house; language; live; located; market; media; mother; music; my;
        name of the; nation; order; organization; people; please; political; product; promotion; region; schedule; school; season;
        social; society; start; strategy; team; text; theory; volume; war; when; where; who""",
}

_TABLES = {"code": _CODE, "medical": _MEDICAL, "legal": _LEGAL, "math": _MATH, "data": _DATA, "general": _GENERAL}


def _built_in() -> tuple[KeywordRule, ...]:
    return tuple(
        KeywordRule(domain, " ".join(phrase.split()), weight)
        for domain, tiers in _TABLES.items()
        for weight, phrases in tiers.items()
        for phrase in phrases.split(";")
    )


BUILT_IN_RULES: tuple[KeywordRule, ...] = _built_in()
